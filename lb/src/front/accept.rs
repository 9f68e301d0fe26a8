//! Accepts connections: counts them, lets only so many in, and gives each a bounded time to shake hands.
//!
//! Who was let in by the kernel is served, also when the process is about to go.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::Front;
use super::crowd::{Crowd, Place};
use super::proxy_protocol;
use super::stream::ClientStream;
use super::turns;
use crate::limits::{ACCEPT_PAUSE_MS, BACKLOG_FAULTS_MAX, CLIENT_HANDSHAKE_MS_MAX};
use crate::metrics::ClientFault;

const ACCEPT_PAUSE: Duration = Duration::from_millis(ACCEPT_PAUSE_MS);

/// Why a connection was not served.
enum Turned {
    /// There are too many, by this limit.
    Away(&'static str),
    /// It did not get as far as a request.
    Failed,
}

/// Accepts on one socket until `shutdown` becomes true, and whoever has connected by then.
pub(super) async fn run(front: Arc<Front>, socket: TcpListener, mut shutdown: ShutdownWatch) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            changed = shutdown.changed() => {
                if changed.is_err() || *shutdown.borrow() {
                    break;
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => welcome(&front, stream, peer, &shutdown),
            Err(error) => {
                // Out of file descriptors: others have to end first.
                tracing::warn!(%error, "front cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever comes in from now on must see the change that this has seen: HTTP/2 waits for it to say goodbye.
    shutdown.mark_changed();
    take_backlog(&front, socket, &shutdown).await;
}

/// Takes in whom the kernel has connected and nobody has accepted yet: closing the socket would reset them.
async fn take_backlog(front: &Arc<Front>, socket: TcpListener, shutdown: &ShutdownWatch) {
    let Ok(socket) = socket.into_std() else { return };
    let mut faults = 0;
    while faults < BACKLOG_FAULTS_MAX {
        match socket.accept() {
            Ok((stream, peer)) => {
                faults = 0;
                if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    welcome(front, stream, peer, shutdown);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // That one has left already.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                faults += 1;
                tracing::warn!(%error, "front cannot accept who had connected");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn welcome(front: &Arc<Front>, stream: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) {
    let limit = front.live.load().config.limits.connections;
    let Some(place) = Crowd::enter(&front.crowd, limit) else {
        front.metrics.connection_refused("connections");
        return;
    };
    tokio::spawn(serve(Arc::clone(front), stream, peer, place, shutdown.clone()));
}

async fn serve(front: Arc<Front>, stream: TcpStream, peer: SocketAddr, mut place: Place, shutdown: ShutdownWatch) {
    let limit = Duration::from_millis(CLIENT_HANDSHAKE_MS_MAX);
    // In a box, because it is large and over soon.
    let greeted = Box::pin(timeout(limit, greet(&front, stream, peer, &mut place))).await;
    match greeted.unwrap_or(Err(Turned::Failed)) {
        Ok(stream) if stream.is_http_2() => {
            front.app.process_new(stream, &shutdown).await;
        }
        Ok(stream) => turns::serve(&front, stream, &shutdown).await,
        Err(Turned::Away(limit)) => front.metrics.connection_refused(limit),
        Err(Turned::Failed) => front.metrics.client_fault(ClientFault::Handshake),
    }
    drop(place);
}

/// Finds out who the client is, whether it may have one more connection, and shakes hands.
async fn greet(
    front: &Front,
    mut stream: TcpStream,
    peer: SocketAddr,
    place: &mut Place,
) -> Result<Box<ClientStream>, Turned> {
    let config = Arc::clone(&front.live.load().config);
    let trusted = &config.front.trusted_proxies;
    let mut client = peer;
    if config.front.proxy_protocol && trusted.contains(peer.ip()) {
        let announced = proxy_protocol::read(&mut stream).await.map_err(|_| Turned::Failed)?;
        client = announced.unwrap_or(peer);
    }
    // Many clients stand behind a trusted proxy.
    if !trusted.contains(client.ip()) && !place.claim(client.ip(), config.limits.connections_per_address) {
        return Err(Turned::Away("connections_per_address"));
    }
    stream.set_nodelay(true).map_err(|_| Turned::Failed)?;
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // The cell is new, so it is empty.
    let _ = digest.peer_addr.set(Some(client.into()));
    let mut stream = L4Stream::from(stream);
    stream.set_socket_digest(digest);
    let stream = front.acceptor.tls_handshake(stream).await.map_err(|_| Turned::Failed)?;
    Ok(Box::new(ClientStream::new(stream)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an asynchronous function keeps, without calling it.
    fn kept_by<A, B, C, D, E, F>(_function: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_rests_keeps_no_request() {
        let bytes = kept_by(serve);
        assert!(bytes < 2_048, "{bytes} bytes for each connection");
    }
}
