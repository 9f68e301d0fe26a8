//! The supervisor's ear: a socket in the cluster's folder, one line of JSON each way.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::limits::CONTROL_LINE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = "control.sock";

/// What a supervisor is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How far is the start?
    Phase,
    /// Stop everything and end.
    Down,
    /// Do something with one member.
    Member {
        /// What.
        action: Action,
        /// With whom.
        name: String,
    },
}

/// What can be done with one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Stop it if it runs, then start it.
    Restart,
    /// SIGTERM.
    Stop,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// Kill it, delete its data, let its machine join as a new node.
    Replace,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "message", rename_all = "lowercase")]
pub enum Reply {
    /// It is done.
    Done(String),
    /// Not yet: what is being done now.
    Starting(String),
    /// It cannot be done as asked.
    Refused(String),
    /// It went wrong.
    Fault(String),
}

impl From<Result<String>> for Reply {
    fn from(result: Result<String>) -> Self {
        match result {
            Ok(message) => Self::Done(message),
            Err(Error::Refused(message)) => Self::Refused(message),
            Err(Error::Fault(message)) => Self::Fault(message),
        }
    }
}

impl Reply {
    /// The message of a success; everything else as an error.
    ///
    /// # Errors
    /// What the supervisor said.
    pub fn into_result(self) -> Result<String> {
        match self {
            Self::Done(message) => Ok(message),
            Self::Starting(message) => Err(Error::refused(format!(
                "the cluster is still starting ({message}): try again in a moment"
            ))),
            Self::Refused(message) => Err(Error::Refused(message)),
            Self::Fault(message) => Err(Error::Fault(message)),
        }
    }
}

/// Paths of sockets are limited to 107 bytes, folders are not: the socket is reached through a handle of its folder.
struct Socket {
    folder: File,
}

impl Socket {
    fn new(layout: &Layout) -> std::io::Result<Self> {
        Ok(Self {
            folder: File::open(layout.root())?,
        })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.folder.as_raw_fd()))
    }
}

/// Listens; the caller holds the cluster's lock, so a socket that is there is a dead supervisor's.
///
/// # Errors
/// The folder cannot be written.
pub fn listen(layout: &Layout) -> Result<UnixListener> {
    let attempt = || {
        let socket = Socket::new(layout)?;
        let _ = std::fs::remove_file(socket.path());
        UnixListener::bind(socket.path())
    };
    attempt().map_err(|e| Error::file("listen on", &layout.root().join(SOCKET), &e))
}

/// Takes the socket away.
pub fn unlisten(layout: &Layout) {
    let _ = std::fs::remove_file(layout.root().join(SOCKET));
}

/// Asks the supervisor of the folder; `None` when there is none.
///
/// # Errors
/// It hung up, or answered nonsense.
pub async fn ask(layout: &Layout, request: &Request) -> Result<Option<Reply>> {
    let Ok(socket) = Socket::new(layout) else {
        return Ok(None);
    };
    let Ok(stream) = UnixStream::connect(socket.path()).await else {
        return Ok(None);
    };
    let talk = async {
        let mut stream = BufReader::new(stream);
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(CONTROL_LINE_BYTES_MAX).read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    };
    let answered: std::io::Result<Reply> = talk.await;
    answered.map(Some).map_err(|e| {
        Error::fault(format!(
            "the supervisor of {} did not answer: {e}",
            layout.root().display()
        ))
    })
}

/// Reads one request of a connection.
///
/// # Errors
/// What came is no request.
pub async fn receive(stream: &mut BufReader<UnixStream>) -> std::io::Result<Request> {
    let mut line = String::new();
    stream.take(CONTROL_LINE_BYTES_MAX).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

/// Answers it.
///
/// # Errors
/// The other side is gone.
pub async fn send(stream: &mut BufReader<UnixStream>, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_gets_its_answer_even_in_a_folder_with_a_very_long_name() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let layout = Layout::new(&long).unwrap();
        assert_eq!(ask(&layout, &Request::Phase).await.unwrap(), None, "nobody listens");
        let listener = listen(&layout).unwrap();
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let request = receive(&mut stream).await.unwrap();
            send(&mut stream, &Reply::Refused("no".into())).await.unwrap();
            request
        });
        let request = Request::Member {
            action: Action::Kill,
            name: "node-1".into(),
        };
        let reply = ask(&layout, &request).await.unwrap().unwrap();
        assert_eq!(reply.into_result().unwrap_err().exit_code(), 2);
        assert_eq!(server.await.unwrap(), request);
        unlisten(&layout);
        assert_eq!(ask(&layout, &Request::Phase).await.unwrap(), None);
    }
}
