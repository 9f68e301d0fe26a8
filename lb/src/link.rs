//! Connections to one node: made over mutual TLS, kept while nobody needs them, used again.
//!
//! pingora can do this too, but starts and wakes a task for every request to watch the connection that the request leaves behind,
//! and writes out the serial number of our certificate twice to find it again: a fifth of a request's instructions. To pingora
//! a connection to a node is plain here; nothing of it is: TLS and verification happen below.

mod kept;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::ext::{connect, set_tcp_keepalive};
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::VirtualSocketStream;
use pingora::{Error, ErrorType, Result};
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use kept::Connection;
pub use kept::Kept;
use wire::Wire;

use crate::limits::{NODE_KEEPALIVE_IDLE_MS, NODE_KEEPALIVE_PROBES_MAX, NODE_UNACKNOWLEDGED_MS_MAX};

/// How connections to a node are made.
pub struct Link {
    /// Where the node is.
    pub address: SocketAddr,
    /// The name that its certificate must carry.
    pub certificate_name: String,
    /// Our certificate, and the authorities that we believe.
    pub tls: TlsConnector,
    /// Counts changes of the above.
    pub trust_generation: u64,
    /// Time for a TCP connection, and as much for the handshake on it.
    pub limit: Duration,
    /// Connections that nobody uses now.
    pub kept: Arc<Kept>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}, {})", self.address, self.certificate_name)
    }
}

#[async_trait]
impl L4Connect for Link {
    async fn connect(&self, _address: &PeerAddress) -> Result<Stream> {
        let connection = match self.kept.take() {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        let wire = Wire::new(connection, Arc::clone(&self.kept));
        Ok(Stream::from(VirtualSocketStream::new(Box::new(wire))))
    }
}

impl Link {
    async fn dial(&self) -> Result<Connection> {
        let era = self.kept.era(self.trust_generation);
        let connected = timeout(self.limit, connect(&self.address, None)).await;
        let tcp = connected.map_err(|_| timed_out("the node takes no connection"))??;
        tcp.set_nodelay(true)
            .map_err(|error| Error::because(ErrorType::SocketError, "connection to a node", error))?;
        // A machine that died sends no reset: the kernel has to notice.
        set_tcp_keepalive(
            &tcp,
            &TcpKeepalive {
                idle: Duration::from_millis(NODE_KEEPALIVE_IDLE_MS),
                interval: Duration::from_millis(NODE_KEEPALIVE_IDLE_MS),
                count: NODE_KEEPALIVE_PROBES_MAX,
                user_timeout: Duration::from_millis(NODE_UNACKNOWLEDGED_MS_MAX),
            },
        )?;
        let name = ServerName::try_from(self.certificate_name.clone())
            .map_err(|error| Error::because(ErrorType::InternalError, "name of a node", error))?;
        let greeted = timeout(self.limit, self.tls.connect(name, tcp)).await;
        let stream = greeted
            .map_err(|_| timed_out("the node does not shake hands"))?
            .map_err(|error| Error::because(ErrorType::TLSHandshakeFailure, "handshake with a node", error))?;
        Ok(Connection { stream, era })
    }
}

fn timed_out(what: &'static str) -> Box<Error> {
    Error::explain(ErrorType::ConnectTimedout, what)
}

#[cfg(test)]
mod tests;
