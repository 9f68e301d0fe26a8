//! The accept loop: who may connect, how many, how long each step of a connection may take, and how it all ends.
//!
//! Knows no route. What a request gets as an answer is [`Answer`]'s matter.

use super::head_timeout::HeadTimeout;
use crate::limits::{HEADER_BYTES_MAX, HEADER_FIELDS_MAX, HEADER_READ_MAX, KEEP_ALIVE_MAX, TLS_HANDSHAKE_MAX};
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

/// Pause after the system could not accept, so that a full table of descriptors is not asked in a loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Turns requests into answers.
pub trait Answer: Clone + Send + Sync + 'static {
    /// The answer to one request of `peer`.
    fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> impl Future<Output = Response<Body>> + Send;
}

/// How long the steps of a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From accepted to encrypted.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its header.
    pub header: Duration,
    /// Silence between two requests.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: TLS_HANDSHAKE_MAX,
            header: HEADER_READ_MAX,
            idle: KEEP_ALIVE_MAX,
        }
    }
}

/// A listener with its limits.
pub struct Server {
    /// Bound already.
    pub listener: TcpListener,
    /// None: plain text, for the operations listener only.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at a time; the next one is closed at once.
    pub connections_max: usize,
    /// Time limits.
    pub patience: Patience,
    /// Where connections are counted; none for the operations listener.
    pub metrics: Option<Metrics>,
}

impl Server {
    /// Serves until `stop`, then lets requests in flight finish for at most `drain`.
    pub async fn serve(self, answer: impl Answer, mut stop: Stop, drain: Duration) {
        let Self {
            listener,
            tls,
            connections_max,
            patience,
            metrics,
        } = self;
        let slots = Arc::new(Semaphore::new(connections_max));
        let connection = Connection {
            tls: tls.map(TlsAcceptor::from),
            patience,
            metrics: metrics.clone(),
            answer,
        };
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.wait() => break,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => drop(tokio::spawn(connection.clone().run(
                        stream,
                        peer,
                        graceful.watcher(),
                        slot,
                    ))),
                    // Closing at once tells the load balancer to go elsewhere.
                    Err(_) => refused(metrics.as_ref(), "too_many"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    refused(metrics.as_ref(), "accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("connections were still busy when the time to finish was over");
        }
    }
}

fn refused(metrics: Option<&Metrics>, reason: &str) {
    if let Some(metrics) = metrics {
        metrics.connections_refused.with_label_values(&[reason]).inc();
    }
}

#[derive(Clone)]
struct Connection<A> {
    tls: Option<TlsAcceptor>,
    patience: Patience,
    metrics: Option<Metrics>,
    answer: A,
}

impl<A: Answer> Connection<A> {
    async fn run(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, _slot: OwnedSemaphorePermit) {
        let _counted = self.metrics.as_ref().map(Open::new);
        // Small answers must not wait for more to come.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delays");
        }
        let Some(tls) = &self.tls else {
            return self.exchange(stream, peer, watcher).await;
        };
        match tokio::time::timeout(self.patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.exchange(stream, peer, watcher).await,
            Ok(Err(error)) => {
                refused(self.metrics.as_ref(), "tls");
                tracing::info!(peer = %peer.ip(), %error, "a TLS handshake failed");
            }
            Err(_) => {
                refused(self.metrics.as_ref(), "tls_timeout");
                tracing::info!(peer = %peer.ip(), "a TLS handshake took too long");
            }
        }
    }

    async fn exchange<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, phase) = HeadTimeout::new(stream, self.patience.header);
        let service = service_fn(|request| {
            phase.busy();
            let (answer, phase) = (self.answer.clone(), phase.clone());
            async move {
                let response = answer.answer(request, peer.ip()).await;
                phase.idle();
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.idle)
            .max_headers(HEADER_FIELDS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .keep_alive(true)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            // The other side went away, or was silent or slow for too long: its matter, not a fault of this node.
            tracing::debug!(peer = %peer.ip(), %error, "a connection ended early");
        }
    }
}

/// Counts a connection while it is open.
struct Open(Metrics);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Takes an address, or says why it cannot be taken.
///
/// # Errors
/// The port is in use, or the address is not this machine's.
pub async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError {
        setting,
        address,
        source,
    })
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{setting} = {address}: cannot listen: {source}; stop the process that uses the port, or choose another one")]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    source: io::Error,
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
