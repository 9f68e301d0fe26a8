//! Connections to other members, made when needed and made again when lost.
//!
//! Traffic of different kinds has connections of its own, so that a large append never delays a heartbeat or a vote.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::{CallError, Connection};
use super::directory::Directory;
use crate::codec::wire::Kind;
use crate::limits::{
    CONNECT_TIMEOUT, OPERATION_CALL_MAX, REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN, SILENCE_FORWARD_MAX, SILENCE_MAX,
};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Entries to followers.
    Log,
    /// Heartbeats, votes, read indexes: small, and urgent.
    Control,
    /// Proposals to the leader.
    Forward,
    /// Operations on the membership.
    Operate,
}

impl Class {
    fn silence_max(self) -> Duration {
        match self {
            Self::Log | Self::Control => SILENCE_MAX,
            Self::Forward => SILENCE_FORWARD_MAX,
            Self::Operate => OPERATION_CALL_MAX,
        }
    }
}

/// Opens connections.
pub(crate) struct Dialer {
    connector: TlsConnector,
    directory: Arc<Directory>,
}

impl Dialer {
    pub(crate) fn new(client: Arc<rustls::ClientConfig>, directory: Arc<Directory>) -> Self {
        Self {
            connector: TlsConnector::from(client),
            directory,
        }
    }

    /// A greeted connection to a member.
    pub(crate) async fn dial(&self, target: u64) -> io::Result<TlsStream<TcpStream>> {
        let attempt = async {
            let member = self.directory.member(target);
            let member = member.ok_or_else(|| io::Error::other(format!("node {target} is not known")))?;
            let address = self.directory.address(target);
            let address = address.ok_or_else(|| io::Error::other(format!("{:?} is no address", member.address)))?;
            let recalled = self.directory.lives.recall();
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let name = self.directory.server_name(&member.name)?;
            let mut stream = self.connector.connect(name, tcp).await?;
            self.directory.greet(&mut stream, target, &recalled).await?;
            Ok(stream)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {CONNECT_TIMEOUT:?}"),
            )),
        }
    }
}

/// A connection to one member for one class, whenever it is there.
pub(crate) struct Link {
    target: u64,
    class: Class,
    dialer: Arc<Dialer>,
    current: Mutex<Option<Arc<Connection>>>,
    dialling: tokio::sync::Mutex<Redial>,
}

/// When the next dial is due after failed ones.
#[derive(Default)]
struct Redial {
    failures: u32,
    not_before: Option<Instant>,
    last_error: String,
}

impl Link {
    /// The open connection, or a new one. Callers that come while one is dialled wait for the same.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, CallError> {
        if let Some(open) = self.open() {
            return Ok(open);
        }
        let mut redial = self.dialling.lock().await;
        if let Some(open) = self.open() {
            return Ok(open);
        }
        if redial.not_before.is_some_and(|due| Instant::now() < due) {
            return Err(CallError::NotSent(redial.last_error.clone()));
        }
        match self.dialer.dial(self.target).await {
            Ok(stream) => {
                let connection = Arc::new(Connection::start(stream, self.class.silence_max()));
                *self.current.lock() = Some(connection.clone());
                *redial = Redial::default();
                Ok(connection)
            }
            Err(error) => {
                redial.failed(self.target, &error);
                Err(CallError::NotSent(redial.last_error.clone()))
            }
        }
    }

    fn open(&self) -> Option<Arc<Connection>> {
        self.current
            .lock()
            .as_ref()
            .filter(|connection| !connection.is_closed())
            .cloned()
    }

    pub(crate) async fn call(&self, kind: Kind, payload: Bytes, timeout: Duration) -> Result<Bytes, CallError> {
        let until = Instant::now() + timeout;
        let connection = tokio::time::timeout(timeout, self.connection());
        let connection = connection
            .await
            .map_err(|_| CallError::NotSent("not connected in time".into()))??;
        connection
            .call(kind, payload, until.saturating_duration_since(Instant::now()))
            .await
    }

    /// The member was seen: the next call may dial at once.
    async fn wake(&self) {
        self.dialling.lock().await.not_before = None;
    }

    fn close(&self) {
        if let Some(connection) = self.current.lock().take() {
            connection.close("this node is closing");
        }
    }
}

impl Redial {
    fn failed(&mut self, target: u64, error: &io::Error) {
        let text = error.to_string();
        if self.failures == 0 || text != self.last_error {
            tracing::warn!(target_node = target, error = %text, "cannot connect to a member");
        }
        let pause = REDIAL_PAUSE_MIN * 2_u32.saturating_pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + pause.min(REDIAL_PAUSE_MAX));
        self.last_error = text;
    }
}

/// All links of this member.
pub(crate) struct Links {
    dialer: Arc<Dialer>,
    links: Mutex<HashMap<(u64, Class), Arc<Link>>>,
}

impl Links {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer: Arc::new(dialer),
            links: Mutex::default(),
        }
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(crate) fn get(&self, target: u64, class: Class) -> Arc<Link> {
        let mut links = self.links.lock();
        let link = links.entry((target, class)).or_insert_with(|| {
            Arc::new(Link {
                target,
                class,
                dialer: self.dialer.clone(),
                current: Mutex::default(),
                dialling: tokio::sync::Mutex::default(),
            })
        });
        link.clone()
    }

    /// The member dialled us, so it can be dialled.
    pub(crate) async fn wake(&self, target: u64) {
        for class in [Class::Control, Class::Log, Class::Forward, Class::Operate] {
            self.get(target, class).wake().await;
        }
    }

    pub(crate) fn close_all(&self) {
        for (_, link) in self.links.lock().drain() {
            link.close();
        }
    }
}
