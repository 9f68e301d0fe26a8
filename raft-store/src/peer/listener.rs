//! Accepts connections of other members.
//!
//! Must not spend more than a moment on a connection that does not say who it is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::handshake::Caller;
use super::link::Links;
use super::serve::{Service, serve};
use crate::limits::{GREETING_TIMEOUT, PEER_CONNECTIONS_MAX};
use crate::{OpenError, PeerTls};

/// A bound address that does not accept yet.
pub(crate) struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, tls: &PeerTls) -> Result<Self, OpenError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| OpenError::Listen { address, source })?;
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(tls.server.clone()),
        })
    }

    /// Accepts until the task is dropped, and its connections with it.
    pub(crate) async fn run(self, service: Service, links: Arc<Links>) {
        let room = Arc::new(Semaphore::new(PEER_CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            while connections.try_join_next().is_some() {}
            let (tcp, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of a member");
                    tokio::time::sleep(crate::limits::RETRY_PAUSE).await;
                    continue;
                }
            };
            let (acceptor, links, service) = (self.acceptor.clone(), links.clone(), service.clone());
            connections.spawn(async move {
                if let Err(error) = admit(acceptor, links, service, tcp).await {
                    tracing::debug!(%address, %error, "a connection of a member ended");
                }
                drop(permit);
            });
        }
    }
}

async fn admit(acceptor: TlsAcceptor, links: Arc<Links>, service: Service, tcp: TcpStream) -> io::Result<()> {
    let address = tcp.peer_addr()?;
    let directory = service.lead.directory.clone();
    let recalled = directory.lives.recall();
    let greeting = async {
        tcp.set_nodelay(true)?;
        let mut stream = acceptor.accept(tcp).await?;
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .cloned();
        let from = directory.receive(&mut stream, certificate.as_ref(), &recalled).await?;
        Ok::<_, io::Error>((from, stream))
    };
    let greeted = tokio::time::timeout(GREETING_TIMEOUT, greeting).await;
    let greeted = greeted.unwrap_or_else(|_| Err(io::Error::other("no greeting in time")));
    let (from, stream) = greeted.inspect_err(|error| {
        tracing::warn!(%address, %error, "refused a connection for members");
    })?;
    if let Caller::Member(from) = from {
        // A member that dials us can be dialled: whatever waits for it need not wait longer.
        let woken = service.lead.raft.clone();
        tokio::spawn(async move {
            links.wake(from).await;
            let _stopped = woken.trigger().reset_backoff([from]).await;
        });
    }
    serve(service, from, stream).await.inspect_err(|error| {
        // Our own words: not a path that broke.
        if error.kind() == io::ErrorKind::Other {
            tracing::warn!(%address, %error, "ended a connection of a member that broke the rules");
        }
    })
}
