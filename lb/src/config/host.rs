//! Host names that are ours, and the comparison with what a client sent. No DNS.

use std::net::IpAddr;

/// A host name in its normal form: lower case, no port, no trailing dot, no brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    /// Browsers must not remember HTTPS for it: other services of the same machine share the name.
    is_local: bool,
}

/// The accepted host names.
#[derive(Clone, Debug)]
pub struct HostList(Vec<Host>);

impl HostList {
    /// Parses host names as they stand in the configuration; the first that is none is handed back.
    pub(crate) fn parse(names: &[String]) -> Result<Self, String> {
        names
            .iter()
            .map(|name| Host::parse(name).ok_or_else(|| name.clone()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names in their normal form.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|host| host.name.as_str())
    }

    /// Our own spelling of the host that a `Host` header names, with brackets around an IPv6 address.
    pub fn spelling(&self, authority: &str) -> Option<String> {
        let name = without_port(authority)?;
        let host = self.0.iter().find(|host| host.name.eq_ignore_ascii_case(name))?;
        Some(if host.name.contains(':') {
            format!("[{}]", host.name)
        } else {
            host.name.clone()
        })
    }

    /// Whether a `Host` header or authority, with or without a port, is ours; the answer tells whether strict transport
    /// security may be announced for it.
    pub fn accepts(&self, authority: &str) -> Option<StrictTransport> {
        let name = without_port(authority)?;
        let host = self.0.iter().find(|host| host.name.eq_ignore_ascii_case(name))?;
        Some(if host.is_local {
            StrictTransport::Silent
        } else {
            StrictTransport::Announced
        })
    }
}

/// Whether `Strict-Transport-Security` goes out for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrictTransport {
    /// A name of its own.
    Announced,
    /// `localhost` or an address.
    Silent,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let is_address = name.parse::<IpAddr>().is_ok();
        let is_name = name.len() <= 253
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
        (is_address || is_name).then(|| Self {
            is_local: is_address || name == "localhost",
            name,
        })
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`, without one trailing dot.
fn without_port(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address);
    }
    let name = match authority.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return None,
        None => authority,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> HostList {
        let names = ["Auth.example.com", "localhost", "127.0.0.1", "::1"].map(String::from);
        HostList::parse(&names).expect("valid names")
    }

    #[test]
    fn a_host_is_accepted_with_any_port_and_case() {
        for name in ["auth.example.com", "AUTH.example.com:8443", "auth.example.com."] {
            assert_eq!(hosts().accepts(name), Some(StrictTransport::Announced), "{name}");
        }
        for name in ["localhost:8443", "127.0.0.1", "[::1]", "[::1]:443"] {
            assert_eq!(hosts().accepts(name), Some(StrictTransport::Silent), "{name}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for name in [
            "",
            ":443",
            "example.com",
            "auth.example.com.evil.com",
            "xauth.example.com",
            "auth.example.com:",
            "auth.example.com:80x",
            "auth.example.com:80:80",
            "[::1]x",
            "[::1",
            "::1",
            "auth.example.com..",
            "user@auth.example.com",
        ] {
            assert_eq!(hosts().accepts(name), None, "{name}");
        }
    }

    #[test]
    fn names_with_ports_wildcards_or_spaces_are_no_host_names() {
        for name in ["", "localhost:8443", "*.example.com", "a b", "a..b", "https://a"] {
            assert_eq!(HostList::parse(&[name.to_string()]).err().as_deref(), Some(name));
        }
    }
}
