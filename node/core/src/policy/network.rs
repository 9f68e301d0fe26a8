//! Networks as the risk rules know them: one IPv4 address, or one IPv6 /64, because that is what one customer has.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// One address.
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

impl Network {
    /// The network of an address in text; none for anything else.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        })
    }

    /// Its key in the table: 9 bytes.
    #[must_use]
    pub fn key(&self) -> [u8; 9] {
        let mut key = [0; 9];
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::V4(bytes) => (4, bytes),
            Self::V6(bytes) => (6, bytes),
        };
        for (to, from) in key.iter_mut().zip(std::iter::once(&kind).chain(bytes)) {
            *to = *from;
        }
        key
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c, d]) => write!(f, "{a}.{b}.{c}.{d}"),
            Self::V6([a, b, c, d, e, g, h, i]) => {
                let octets = [*a, *b, *c, *d, *e, *g, *h, *i, 0, 0, 0, 0, 0, 0, 0, 0];
                write!(f, "{}/64", Ipv6Addr::from(octets))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_its_own_network_and_an_ipv6_address_is_in_its_64() {
        let of = |text| Network::of(text).unwrap();
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.1").to_string(), "192.0.2.1");
        for text in ["", "192.0.2", "host", "192.0.2.1:80"] {
            assert_eq!(Network::of(text), None);
        }
    }

    #[test]
    fn keys_differ_where_networks_do() {
        let keys = ["32.1.13.184", "2001:db8::1", "2001:db8:0:1::1"].map(|text| Network::of(text).unwrap().key());
        assert_eq!(keys[0], [4, 32, 1, 13, 184, 0, 0, 0, 0]);
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    }
}
