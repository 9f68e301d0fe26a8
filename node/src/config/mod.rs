//! The configuration, read once and turned into checked types: whoever holds a [`Config`] need not doubt it.
//!
//! Messages name the setting, what was given and what is allowed. Nothing is opened but the files it names, and nothing
//! is bound.

mod check;
mod error;
mod files;
mod members;
mod messages;
mod raw;

#[cfg(test)]
pub(crate) mod tests;

pub use error::ConfigError;
pub use raw::SmtpTls;

use crate::data_folder::OnDamage;
use crate::hashing::HashSettings;
use crate::passwords::PasswordPolicy;
use crate::secrets::KeyRing;
use crate::signing::Rotation;
use crate::tls::Identity;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything that a node is told.
pub struct Config {
    /// Name, also the first label of the name in its certificate.
    pub name: String,
    /// Id of a founding member; none for a node that joined, or is about to.
    pub node_id: Option<u64>,
    /// Folder of this node alone.
    pub data_dir: PathBuf,
    /// Least severe log lines that are written.
    pub log_level: tracing::Level,
    /// Who takes part.
    pub cluster: Cluster,
    /// Where other nodes connect.
    pub peer_listen: SocketAddr,
    /// Where other nodes are told to connect.
    pub peer_advertise: SocketAddr,
    /// Where load balancers connect.
    pub http: Http,
    /// Where operators connect.
    pub ops_listen: SocketAddr,
    /// Who this node is, and whom it believes.
    pub identity: Identity,
    /// Keys that seal secrets before they are replicated.
    pub key_ring: Arc<KeyRing>,
    /// When signing keys change.
    pub rotation: Rotation,
    /// Heartbeats and elections.
    pub timing: raft_store::Timing,
    /// Cost of password hashes and the threads that compute them.
    pub hashing: HashSettings,
    /// Which passwords accounts may have.
    pub passwords: PasswordPolicy,
    /// Names and lives of tokens.
    pub tokens: Tokens,
    /// Switches of the dialects.
    pub dialects: Dialects,
    /// What to do with a data folder that must not be used.
    pub on_damage: OnDamage,
    /// Logins that one client address may try in a minute at this node.
    pub login_per_address_per_minute: u32,
    /// How mail is sent, if it is.
    pub mail: Option<Mail>,
    /// The gateway for SMS and other messages, if there is one.
    pub gateway: Option<GatewayConfig>,
    /// Where spans go, if they go anywhere.
    pub otlp_endpoint: Option<String>,
}

/// Who takes part.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The same on every member.
    pub id: [u8; 16],
    /// Whether this member forms the cluster.
    pub initialize: bool,
    /// The founding members, this one among them if it is one.
    pub members: Vec<raft_store::Member>,
    /// Lets a node with a new data folder in.
    pub join_token: Option<raft_store::JoinToken>,
}

/// The listener of load balancers.
#[derive(Clone, Debug)]
pub struct Http {
    /// Its address.
    pub listen: SocketAddr,
    /// Time for one request.
    pub request_deadline: Duration,
    /// Connections at a time.
    pub connections_max: usize,
    /// Origins under which browsers see the service.
    pub public_origins: Vec<String>,
}

/// Names and lives of tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `iss`.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Life of an access token.
    pub access_seconds: u64,
    /// Life of a session.
    pub refresh_seconds: u64,
    /// How long a session may rest without a refresh; none: until its end.
    pub session_idle_seconds: Option<u64>,
}

/// Switches of the dialects.
#[derive(Clone, Copy, Debug)]
pub struct Dialects {
    /// Anyone may look at an account by its name.
    pub public_profiles: bool,
    /// Cookies are also set under the names without a prefix.
    pub legacy_cookie_names: bool,
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The sender.
    pub from: crate::email::Sender,
    /// Where mail goes.
    pub transport: MailTransport,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// Files in a folder, for development and tests.
    Folder(PathBuf),
    /// Mail servers in order of preference.
    Smtp(Vec<SmtpServer>),
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it is talked to.
    pub tls: SmtpTls,
    /// One more authority that it may have its certificate from (PEM).
    pub authority: Option<String>,
    /// How to log in there.
    pub login: Option<Login>,
}

/// Name and password at a mail server.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// The gateway for SMS and other messages.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Where to post.
    pub uri: http::Uri,
    /// What messages are signed with.
    pub secret: SecretString,
    /// One more authority that it may have its certificate from (PEM).
    pub authority: Option<String>,
    /// Whether it may be in a private network.
    pub private_addresses: bool,
    /// Whether login codes go to it, under the account's mail address, instead of by mail.
    pub login_codes: bool,
}

impl Config {
    /// Reads the file and everything it names.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = files::read_text("--config", path)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: raw::File = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.into(),
            problem: error.to_string().trim_end().into(),
        })?;
        check::check(file)
    }
}
