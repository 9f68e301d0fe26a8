//! The configuration file as it is written: shapes and defaults only. Nothing here is checked beyond types and key names.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) name: String,
    #[serde(default = "info")]
    pub(super) log_level: String,
    pub(super) front: RawFront,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOps {
    pub(super) listen: String,
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
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 50,
            logins_per_minute: 30,
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
