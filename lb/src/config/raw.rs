//! The configuration file as it is written: shapes and defaults only. Nothing here is checked beyond types and key names.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) name: String,
    #[serde(default = "info")]
    pub(super) log_level: String,
    pub(super) front: RawFront,
    pub(super) redirect: Option<RawRedirect>,
    pub(super) ops: RawOps,
    pub(super) backend: RawBackend,
    pub(super) nodes: Vec<RawNode>,
    #[serde(default)]
    pub(super) timeouts: RawTimeouts,
    #[serde(default)]
    pub(super) probe: RawProbe,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) drain: RawDrain,
    #[serde(default)]
    pub(super) reload: RawReload,
}

fn info() -> String {
    "info".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFront {
    pub(super) listen: Vec<String>,
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) hosts: Vec<String>,
    /// Further certificates; a client gets the first one that covers the name it asks for.
    #[serde(default)]
    pub(super) more_certificates: Vec<RawIdentity>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    #[serde(default)]
    pub(super) proxy_protocol: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedirect {
    pub(super) listen: Vec<String>,
    #[serde(default = "https")]
    pub(super) https_port: u16,
}

fn https() -> u16 {
    443
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOps {
    pub(super) listen: String,
    /// Where `tfauth-lb drain` and the like connect.
    pub(super) socket: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackend {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    pub(super) name: String,
    pub(super) address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTimeouts {
    pub(super) connect_ms: u64,
    pub(super) try_ms: u64,
    pub(super) request_ms: u64,
    /// When absent: a default, or `request_ms` where that is less.
    pub(super) hold_ms: Option<u64>,
}

impl Default for RawTimeouts {
    fn default() -> Self {
        Self {
            connect_ms: 300,
            try_ms: 6_000,
            request_ms: 10_000,
            hold_ms: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProbe {
    pub(super) interval_ms: u64,
    pub(super) timeout_ms: u64,
}

impl Default for RawProbe {
    fn default() -> Self {
        Self {
            interval_ms: 500,
            timeout_ms: 400,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) requests_per_second: u64,
    pub(super) logins_per_minute: u64,
    pub(super) connections: u64,
    pub(super) connections_per_address: u64,
    pub(super) node_in_flight: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 50,
            logins_per_minute: 30,
            connections: 10_000,
            connections_per_address: 256,
            node_in_flight: 512,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDrain {
    pub(super) min_ms: u64,
    pub(super) max_ms: u64,
}

impl Default for RawDrain {
    fn default() -> Self {
        Self {
            min_ms: 15_000,
            max_ms: 30_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReload {
    pub(super) poll_ms: u64,
}

impl Default for RawReload {
    fn default() -> Self {
        Self { poll_ms: 5_000 }
    }
}
