//! Where mails go: a mail server, or files in a folder.

use crate::config::{MailTransport, SmtpTls};
use crate::limits::MAIL_SEND_MAX;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A way to hand mails over.
#[derive(Clone)]
pub enum Transport {
    /// Files in a folder.
    Folder(PathBuf),
    /// A mail server; a connection for each mail.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
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
    #[error("mail.smtp = {host}: {problem}")]
    Tls {
        /// The mail server.
        host: String,
        /// What the library said.
        problem: String,
    },
}

/// A mail was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The same mail may be taken later.
    #[error("not taken now: {0}")]
    Later(String),
    /// The server refuses this mail for good.
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
                Ok(Self::Folder(path.clone()))
            }
            MailTransport::Smtp { host, port, tls } => {
                let parameters = TlsParameters::new(host.clone()).map_err(|error| TransportError::Tls {
                    host: host.clone(),
                    problem: error.to_string(),
                })?;
                let tls = match tls {
                    SmtpTls::Required => Tls::Required(parameters),
                    SmtpTls::Opportunistic => Tls::Opportunistic(parameters),
                };
                // "Dangerous" is that it would not encrypt by itself; the line below says what it does.
                let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.clone());
                let transport = builder.port(*port).tls(tls).timeout(Some(MAIL_SEND_MAX)).build();
                Ok(Self::Smtp(Box::new(transport)))
            }
        }
    }

    /// Hands one mail over. `key` names it: a repeat under the same key does no harm.
    pub(super) async fn send(&self, key: u64, message: Message) -> Result<(), SendError> {
        match self {
            Self::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, key, &bytes)).await;
                match written {
                    Ok(result) => result.map_err(|error| SendError::Later(error.to_string())),
                    Err(error) => Err(SendError::Later(error.to_string())),
                }
            }
            Self::Smtp(smtp) => match tokio::time::timeout(MAIL_SEND_MAX, smtp.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if error.is_permanent() => Err(SendError::Never(status(&error))),
                Ok(Err(error)) => Err(SendError::Later(status(&error))),
                Err(_) => Err(SendError::Later(format!("no answer within {MAIL_SEND_MAX:?}"))),
            },
        }
    }
}

/// Mail servers like to repeat addresses in what they say: of an answer only its code is kept.
fn status(error: &lettre::transport::smtp::Error) -> String {
    error
        .status()
        .map_or_else(|| error.to_string(), |code| format!("the mail server answered {code}"))
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
