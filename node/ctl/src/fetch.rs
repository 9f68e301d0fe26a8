//! One bounded GET of a JSON document from an operations listener.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest wait for one answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 2_000;
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within {ANSWER_MS_MAX} ms; is the process running, and is this its operations listener?")]
    Timeout,
    #[error("{0}; is the process running, and is this its operations listener?")]
    Connect(String),
    #[error("answered {0}; is this the operations listener of a node?")]
    Status(StatusCode),
    #[error("answered something else than expected ({0}); is this the operations listener of a node of this version?")]
    Body(String),
}

/// Fetches `path` below `base`.
pub(crate) async fn json<T: DeserializeOwned>(base: &Uri, path: &str) -> Result<T, FetchError> {
    tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), get(base, path))
        .await
        .map_err(|_| FetchError::Timeout)?
}

async fn get<T: DeserializeOwned>(base: &Uri, path: &str) -> Result<T, FetchError> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let authority = base.authority().map(ToString::to_string).unwrap_or_default();
    let request = Request::get(format!("http://{authority}{path}"))
        .body(Empty::new())
        .map_err(|error| FetchError::Connect(error.to_string()))?;
    let answer = client
        .request(request)
        .await
        .map_err(|error| FetchError::Connect(root_cause(&error)))?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|error| FetchError::Body(error.to_string()))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| FetchError::Body(error.to_string()))
}

/// The innermost reason: the outer ones only say that a request failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
