//! Orders of operators: take a node out, put it back. HTTP on a unix socket that only the program's own user may open.
//!
//! The operations listener takes none: balancers and monitoring reach it over the network.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::cluster::DrainRefusal;
use crate::limits::{OPS_CONNECTIONS_MAX, OPS_REQUEST_MS_MAX};
use crate::ops::{Ops, json};

/// A bound socket; its file is removed when this is dropped.
pub struct Socket {
    listener: StdListener,
    file: SocketFile,
}

struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Binds the socket. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, something else is there, or the folder cannot be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the file is no socket; remove it or choose another path",
                ));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another program listens there; stop it or choose another path",
                ));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = StdListener::bind(path)?;
        let file = SocketFile(path.into());
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, file })
    }
}

/// Answers on `socket` for ever.
///
/// # Errors
/// The system does not let tokio have the socket.
pub async fn run(ops: Arc<Ops>, socket: Socket) -> io::Result<()> {
    let listener = UnixListener::from_std(socket.listener)?;
    let _removed_at_the_end = socket.file;
    let connections = Arc::new(Semaphore::new(OPS_CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let ops = Arc::clone(&ops);
                tokio::spawn(async move {
                    serve_connection(ops, stream).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "operators' socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}

async fn serve_connection(ops: Arc<Ops>, stream: UnixStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&ops, request.method(), request.uri().path(), request.uri().query());
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that hangs up is no event.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(OPS_REQUEST_MS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Serialize)]
struct Said {
    detail: String,
}

fn answer(ops: &Ops, method: &Method, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    let say = |status, detail: String| json(status, &Said { detail });
    let order = match (method, path) {
        (&Method::GET, "/status") => return json(StatusCode::OK, &ops.status()),
        (&Method::POST, path) => path
            .strip_prefix("/drain/")
            .map(|name| (name, true))
            .or_else(|| path.strip_prefix("/undrain/").map(|name| (name, false))),
        (_, _) => None,
    };
    let Some((name, is_drained)) = order else {
        return say(StatusCode::NOT_FOUND, "see tfauth-lb --help".into());
    };
    match ops.cluster.set_drained(name, is_drained, query == Some("force")) {
        Ok(()) if is_drained => say(StatusCode::OK, format!("{name} gets no new requests")),
        Ok(()) => say(StatusCode::OK, format!("{name} gets requests again when it is ready")),
        Err(refusal @ DrainRefusal::Unknown) => say(StatusCode::NOT_FOUND, format!("{name}: {refusal}")),
        Err(refusal @ DrainRefusal::LastReady) => say(StatusCode::CONFLICT, format!("{name}: {refusal}")),
    }
}
