//! The configuration file as it is written. Unknown keys are refused; what values mean is checked elsewhere.

use crate::data_folder::OnDamage;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) node_id: Option<u64>,
    pub(super) data_dir: PathBuf,
    #[serde(default = "info")]
    pub(super) log_level: String,
    pub(super) cluster: Cluster,
    pub(super) peer: Peer,
    pub(super) http: Http,
    pub(super) ops: Listener,
    pub(super) tls: Tls,
    pub(super) keys: Keys,
    #[serde(default)]
    pub(super) timing: Timing,
    #[serde(default)]
    pub(super) hashing: Hashing,
    #[serde(default)]
    pub(super) passwords: Passwords,
    #[serde(default)]
    pub(super) tokens: Tokens,
    #[serde(default)]
    pub(super) dialects: Dialects,
    #[serde(default)]
    pub(super) storage: Storage,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) mail: Option<Mail>,
    pub(super) gateway: Option<Gateway>,
    #[serde(default)]
    pub(super) telemetry: Telemetry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) id: String,
    #[serde(default)]
    pub(super) initialize: bool,
    pub(super) members: Vec<Member>,
    pub(super) join_token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    pub(super) listen: SocketAddr,
    pub(super) advertise: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) peer_address: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    pub(super) listen: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: SocketAddr,
    pub(super) request_deadline_ms: Option<u64>,
    pub(super) connections_max: Option<usize>,
    pub(super) public_origins: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) key_ring: PathBuf,
    pub(super) rotate_signing_key_days: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Timing {
    pub(super) heartbeat_ms: Option<u64>,
    pub(super) election_min_ms: Option<u64>,
    pub(super) election_max_ms: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hashing {
    pub(super) threads: Option<usize>,
    pub(super) memory_kib: Option<u32>,
    pub(super) passes: Option<u32>,
    pub(super) queue_max: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Passwords {
    pub(super) context_words: Vec<String>,
    pub(super) breach_filter: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tokens {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) access_seconds: Option<u64>,
    pub(super) refresh_seconds: Option<u64>,
    pub(super) session_idle_seconds: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dialects {
    pub(super) public_profiles: bool,
    pub(super) legacy_cookie_names: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Storage {
    pub(super) on_damage: OnDamage,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) login_per_address_per_minute: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) folder: Option<PathBuf>,
    pub(super) smtp: Option<String>,
    pub(super) smtp_tls: Option<SmtpTls>,
    #[serde(default)]
    pub(super) servers: Vec<MailServer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailServer {
    pub(super) address: String,
    pub(super) tls: Option<SmtpTls>,
    pub(super) ca: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

/// How a mail server is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Plain at first, encrypted by STARTTLS before anything is said; a server that does not offer it gets no mail.
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// Not encrypted: for a server on the same machine only.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) url: String,
    pub(super) secret_file: PathBuf,
    pub(super) ca: Option<PathBuf>,
    #[serde(default)]
    pub(super) private_addresses: bool,
    #[serde(default)]
    pub(super) login_codes: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Telemetry {
    pub(super) otlp_endpoint: Option<String>,
}

fn info() -> String {
    "info".into()
}
