//! Where mails go: mail servers, or files in a folder.

use super::servers::Servers;
use super::smtp::Server;
use crate::config::MailTransport;
use lettre::Message;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A way to hand mails over.
pub struct Transport(Way);

enum Way {
    Folder(PathBuf),
    Smtp(Servers),
}

/// The transport cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The folder cannot be made.
    #[error("mail.folder = {}: {problem}; choose a folder that this user may write to", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// Encryption towards the mail server cannot be prepared.
    #[error("mail server {host}: {problem}")]
    Tls {
        /// The mail server.
        host: String,
        /// What the library said.
        problem: String,
    },
}

/// A message was not handed over. Reasons hold no address and no code: they are kept and logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nobody there to take any message: it is not this one's fault, and not counted as its failure.
    #[error("nobody takes messages now: {0}")]
    Server(String),
    /// The conversation broke off at this message: its own fault or the server's. Counted as its failure when that goes on.
    #[error("broke off: {0}")]
    BrokeOff(String),
    /// The same message may be taken later.
    #[error("not taken now: {0}")]
    Later(String),
    /// This message is refused for good.
    #[error("refused for good: {0}")]
    Never(String),
}

impl Transport {
    /// Prepares a transport; a mail server is not contacted yet.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn new(configured: &MailTransport) -> Result<Self, TransportError> {
        match configured {
            MailTransport::Folder(path) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.map_err(|problem| TransportError::Folder {
                    path: path.clone(),
                    problem,
                })?;
                Ok(Self(Way::Folder(path.clone())))
            }
            MailTransport::Smtp(servers) => {
                let prepare = |configured| {
                    Server::new(configured).map_err(|problem| TransportError::Tls {
                        host: configured.host.clone(),
                        problem,
                    })
                };
                let servers = servers.iter().map(prepare).collect::<Result<_, _>>()?;
                Ok(Self(Way::Smtp(Servers::new(servers))))
            }
        }
    }

    /// Hands one mail over. `key` names it: a repeat under the same key does no harm.
    pub(super) async fn send(&self, key: u64, message: Message) -> Result<(), SendError> {
        match &self.0 {
            Way::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, key, &bytes)).await;
                match written {
                    Ok(result) => result.map_err(|error| SendError::Server(error.to_string())),
                    Err(error) => Err(SendError::Server(error.to_string())),
                }
            }
            Way::Smtp(servers) => servers.send(key, &message).await,
        }
    }

    /// Whether every mail server rests after a failure.
    pub(super) fn rests(&self, now: Instant) -> bool {
        match &self.0 {
            Way::Folder(_) => false,
            Way::Smtp(servers) => servers.all_rest(now),
        }
    }
}

/// A mail appears in the folder whole or not at all.
fn write(folder: &Path, key: u64, bytes: &[u8]) -> io::Result<()> {
    let partial = folder.join(format!(".{key}.partial"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, folder.join(format!("{key}.eml")))?;
    File::open(folder)?.sync_all()
}
