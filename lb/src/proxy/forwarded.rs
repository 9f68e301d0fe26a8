//! Who the client is, when trusted proxies stand between it and us. Pure.
//!
//! `X-Forwarded-For` is read from the right, as long as trusted proxies wrote it; the first address that is none of
//! theirs is the client. What stands further left, anybody could have written.

use std::net::{IpAddr, SocketAddr};

use auth_api::headers::FORWARDED_FOR;
use http::HeaderMap;

use crate::config::Networks;
use crate::limits::FORWARDED_HOPS_MAX;

/// The address of the client, given who is connected.
pub fn client(connected: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let mut client = connected.to_canonical();
    if trusted.is_empty() || !trusted.contains(client) {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(FORWARDED_HOPS_MAX) {
        // A proxy that writes nonsense is believed no further.
        let Some(address) = std::str::from_utf8(hop).ok().and_then(parse) else {
            break;
        };
        client = address.to_canonical();
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// An address, perhaps with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches([' ', '\t']);
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn trusted() -> Networks {
        Networks::parse(&["10.0.0.0/8".to_string(), "2001:db8:ffff::/48".to_string()]).expect("networks")
    }

    fn client_of(connected: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                HeaderName::from_static(FORWARDED_FOR),
                HeaderValue::from_str(line).expect("a value"),
            );
        }
        client(connected.parse().expect("an address"), &headers, &trusted()).to_string()
    }

    #[test]
    fn th_7_the_word_of_a_stranger_counts_for_nothing() {
        assert_eq!(client_of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client_of("::ffff:192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
    }

    #[test]
    fn the_rightmost_address_that_is_not_trusted_is_the_client() {
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            (&["1.2.3.4, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (&["1.2.3.4", "198.51.100.7,10.1.1.1", "10.2.2.2"], "198.51.100.7"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::5]:4711"], "2001:db8::5"),
            (&["[2001:db8::5]"], "2001:db8::5"),
            (&["2001:db8::5, 2001:db8:ffff::1"], "2001:db8::5"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(client_of("10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn without_a_stranger_the_furthest_trusted_hop_is_the_client() {
        assert_eq!(client_of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", &["10.9.9.9, 10.2.2.2"]), "10.9.9.9");
        assert_eq!(client_of("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", &["198.51.100.7, _x, 10.2.2.2"]), "10.2.2.2");
    }

    proptest! {
        #[test]
        fn whatever_a_client_writes_to_the_left_changes_nothing(forged in "[ -~]{0,80}", shown: std::net::Ipv4Addr) {
            prop_assume!(!trusted().contains(shown.into()));
            let line = format!("{forged}, {shown}, 10.1.1.1");
            prop_assert_eq!(client_of("10.0.0.1", &[&line]), shown.to_string());
        }
    }
}
