//! HTTP over the socket in a node's data folder.
//!
//! Must not retry: what is not done yet is for the person to see.

use super::Problem;
use auth_api::cluster::{SOCKET_FILE, Said};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The node gives up first.
const SLACK: Duration = Duration::from_secs(10);

/// Where to ask.
pub(crate) struct Socket {
    folder: PathBuf,
    patience: Duration,
}

impl Socket {
    pub(crate) fn new(data: &Path, wait_seconds: u64) -> Self {
        Self {
            folder: data.to_path_buf(),
            patience: Duration::from_secs(wait_seconds) + SLACK,
        }
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Problem> {
        self.ask("GET", path, Bytes::new()).await
    }

    pub(crate) async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::Fault(error.to_string()))?;
        self.ask("POST", path, body.into()).await
    }

    async fn ask<A: DeserializeOwned>(&self, method: &str, path: &str, body: Bytes) -> Result<A, Problem> {
        let asked = tokio::time::timeout(self.patience, self.exchange(method, path, body)).await;
        let (status, answer) = asked.map_err(|_| Problem::Fault("the node does not answer".into()))??;
        let words = || {
            let said = serde_json::from_slice::<Said>(&answer).map(|said| said.message);
            said.unwrap_or_else(|_| format!("the node answered {status}"))
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&answer)
                .map_err(|error| Problem::Fault(format!("the node answered something else than expected: {error}"))),
            StatusCode::CONFLICT | StatusCode::BAD_REQUEST => Err(Problem::Refused(words())),
            _ => Err(Problem::Fault(words())),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Problem> {
        let fault = |error: &dyn std::fmt::Display| {
            Problem::Fault(format!(
                "cannot ask the node at {}: {error}; is the node running, is --data its data folder, and may this user open it?",
                self.folder.display()
            ))
        };
        // Paths of sockets are limited to 107 bytes, folders are not: the socket is reached through a handle of its folder.
        let folder = File::open(&self.folder).map_err(|error| fault(&error))?;
        let socket = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET_FILE);
        let stream = UnixStream::connect(socket).await.map_err(|error| fault(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| fault(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| fault(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| fault(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let bytes = body.collect().await.map_err(|error| fault(&error))?.to_bytes();
        Ok((status, bytes))
    }
}
