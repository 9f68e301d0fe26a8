//! Networks of addresses, as they stand in the configuration, and whether an address is in one of them. No DNS.

use std::net::IpAddr;

use ipnet::IpNet;

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Parses networks such as `10.0.0.0/8` and single addresses; the first that is none is handed back.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        texts
            .iter()
            .map(|text| {
                let network = text.parse::<IpNet>().ok();
                let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
                network.or_else(address).ok_or_else(|| text.clone())
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an address is in one of the networks. An IPv4 address that is written as IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there is no network.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Networks::parse(&texts).expect("valid networks")
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        let list = networks(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for inside in ["10.255.0.1", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8:1::1"] {
            assert!(list.contains(inside.parse().expect("an address")), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!list.contains(outside.parse().expect("an address")), "{outside}");
        }
        assert!(!networks(&[]).contains([127, 0, 0, 1].into()));
    }

    #[test]
    fn anything_else_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.1:80"] {
            assert_eq!(Networks::parse(&[text.to_string()]).err().as_deref(), Some(text));
        }
    }
}
