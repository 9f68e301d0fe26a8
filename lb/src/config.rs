//! The configuration, read once and turned into checked types: whoever holds a [`Config`] need not doubt it.
//!
//! Messages name the setting, what was given and what is allowed. Nothing is opened but the files it names, and nothing
//! is bound.

mod check;
mod edges;
mod error;
mod files;
mod host;
mod network;
mod raw;
mod validity;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use error::ConfigError;
pub use host::{HostList, StrictTransport};
pub use network::Networks;
pub use validity::{Validity, first_loss};

/// Everything that the load balancer is told.
pub struct Config {
    /// Name in logs.
    pub name: String,
    /// Least severe log lines that are written.
    pub log_level: tracing::Level,
    /// Where clients connect.
    pub front: Front,
    /// Where clients that forgot about TLS connect.
    pub redirect: Option<Redirect>,
    /// Address of the operations listener.
    pub ops_listen: SocketAddr,
    /// Where operators give orders.
    pub ops_socket: Option<PathBuf>,
    /// Who we are to the nodes, and whom we believe.
    pub backend: Backend,
    /// The nodes, in the order given.
    pub nodes: Vec<NodeConfig>,
    /// Deadlines of a request.
    pub timeouts: Timeouts,
    /// Status probes.
    pub probe: Probe,
    /// How much is let in.
    pub limits: Limits,
    /// How long an orderly stop takes.
    pub drain: Drain,
    /// From one look at the files to the next.
    pub reload: Duration,
    /// Every file that was read besides the configuration itself.
    pub files: Vec<PathBuf>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
}

/// Where clients connect.
pub struct Front {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Host names that are ours.
    pub hosts: HostList,
    /// Certificates, the one for clients that name no host first.
    pub certificates: Vec<FrontIdentity>,
    /// Proxies and balancers in front of this one, whose word about the client is taken.
    pub trusted_proxies: Networks,
    /// They announce the client's address before TLS (PROXY protocol, version 2).
    pub proxy_protocol: bool,
}

/// A certificate for clients.
#[derive(Clone)]
pub struct FrontIdentity {
    /// Certificate chain with the key that was checked to belong to it.
    pub certified: Arc<CertifiedKey>,
    /// Our host names that it covers.
    pub covers: Vec<String>,
    /// From when to when it is good.
    pub validity: Validity,
}

/// The plain listener, which sends everybody to the front.
pub struct Redirect {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The port of the front as clients see it.
    pub https_port: u16,
}

/// Who we are to the nodes, and whom we believe.
pub struct Backend {
    /// The file of the authorities.
    pub authorities_path: PathBuf,
    /// Certificate authorities that sign node certificates.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The same, ready to verify with.
    pub roots: Arc<RootCertStore>,
    /// Our chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// From when to when our certificate is good.
    pub validity: Validity,
}

impl Backend {
    /// Whether the other one shows the same certificate and believes the same authorities.
    pub fn is_same(&self, other: &Self) -> bool {
        self.authorities == other.authorities && self.chain == other.chain && self.key == other.key
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name; also the first label of the name in its certificate.
    pub name: String,
    /// Where its HTTP listener is.
    pub address: SocketAddr,
}

impl NodeConfig {
    /// The name that the node's certificate must carry.
    pub fn certificate_name(&self) -> String {
        format!("{}.node.tfauth.internal", self.name)
    }
}

/// Deadlines of a request.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP connection to a node, and the TLS handshake on it.
    pub connect: Duration,
    /// Silence of a node while it works on a request.
    pub one_try: Duration,
    /// The whole request, with every repetition and all waiting.
    pub request: Duration,
    /// Waiting for a node while none is usable: longer than an election takes, and no longer than people wait.
    pub hold: Duration,
}

/// Status probes.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// From one probe to the next.
    pub interval: Duration,
    /// For one probe.
    pub timeout: Duration,
}

/// How much is let in, per client address and in total.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of any kind from one address.
    pub requests_per_second: u64,
    /// Requests from one address that cost a password hash.
    pub logins_per_minute: u64,
    /// Connections of all clients.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: u32,
    /// Requests at one node.
    pub node_in_flight: u32,
}

/// How long an orderly stop takes.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Time to go on accepting while readiness is already denied.
    pub min: Duration,
    /// Time after which requests in flight are given up.
    pub max: Duration,
}

impl Config {
    /// Reads and checks the file at `path` and every file that it names.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = files::read_text("--config", path)?;
        let raw: raw::RawConfig = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
            path: path.into(),
            problem: error.to_string(),
        })?;
        check::check(raw, path.parent().unwrap_or(Path::new(".")))
    }
}

#[cfg(test)]
pub(crate) mod tests;
