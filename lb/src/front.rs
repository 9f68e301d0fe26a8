//! The listener for clients: sockets that are bound before anything else happens, TLS, and pingora's proxy behind it.
//!
//! pingora's own `Server` and accept loop are not used: they bind late, retry for half a minute when a port is taken, count
//! no connections, and give a client a minute for its handshake. Only the proxy runs here, on our runtime, with our signals.

mod accept;
mod blocks;
mod crowd;
mod gather;
mod proxy_protocol;
mod refusal;
mod stall;
mod stream;
mod turns;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerOptions;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::protocols::tls::TlsRef;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::task::JoinSet;

pub use crowd::Crowd;
pub use stream::Pace;

use crate::config::Config;
use crate::limits::{ATTEMPTS_PER_REQUEST_MAX, CLIENT_IDLE_SECONDS_MAX};
use crate::live::SharedLive;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::tls::FrontCertificates;

/// Why the front cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// An address cannot be listened on.
    #[error("{setting} = {address}: {problem}. Choose a free port, or stop the program that uses it.")]
    Bind {
        /// The setting with the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        problem: io::Error,
    },
    /// pingora does not take the settings.
    #[error("TLS settings are refused: {0}")]
    Tls(String),
}

/// A bound socket with the address that it got.
pub struct Bound {
    socket: TcpListener,
    /// The address, with the port that the system chose when 0 was given.
    pub address: SocketAddr,
}

impl Bound {
    /// Binds an address and listens.
    ///
    /// # Errors
    /// The address is in use, not ours, or needs rights that we lack.
    pub fn new(setting: &'static str, address: SocketAddr) -> Result<Self, FrontError> {
        let bind = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().map_err(|problem| FrontError::Bind {
            setting,
            address,
            problem,
        })
    }

    /// Binds all addresses of a setting.
    ///
    /// # Errors
    /// The first that cannot be bound.
    pub fn all(setting: &'static str, addresses: &[SocketAddr]) -> Result<Vec<Self>, FrontError> {
        addresses.iter().map(|address| Self::new(setting, *address)).collect()
    }

    /// The socket for tokio.
    ///
    /// # Errors
    /// There is no runtime, or the system refuses.
    pub fn into_tokio(self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket)
    }
}

/// The front, ready to run.
pub struct Front {
    app: Arc<HttpProxy<Proxy>>,
    acceptor: Acceptor,
    live: SharedLive,
    crowd: Arc<Crowd>,
    metrics: Arc<Metrics>,
}

impl Front {
    /// Puts the proxy behind TLS.
    ///
    /// # Errors
    /// pingora refuses the TLS settings.
    pub fn new(
        proxy: Proxy,
        live: SharedLive,
        certificates: Arc<FrontCertificates>,
        crowd: Arc<Crowd>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, FrontError> {
        let mut app = http_proxy(&Arc::new(server_conf(&live.load().config)), proxy);
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(Duration::from_secs(CLIENT_IDLE_SECONDS_MAX));
        app.server_options = Some(options);
        let refused = |error: Box<pingora::Error>| FrontError::Tls(error.to_string());
        let mut settings = TlsSettings::with_callbacks(Box::new(GivePace)).map_err(refused)?;
        settings.set_cert_resolver(certificates);
        settings.enable_h2();
        Ok(Self {
            app: Arc::new(app),
            // Panics only for files that cannot be read, and it reads none.
            acceptor: settings.build(),
            live,
            crowd,
            metrics,
        })
    }

    /// Serves on `sockets` until `shutdown` becomes true, then until every connection has ended: by itself, after its next
    /// answer, or because its client was silent. pingora's own way would close them at once, whatever is on its way to them.
    pub async fn run(self, sockets: Vec<tokio::net::TcpListener>, shutdown: ShutdownWatch) {
        let front = Arc::new(self);
        let mut accepting = JoinSet::new();
        for socket in sockets {
            accepting.spawn(accept::run(Arc::clone(&front), socket, shutdown.clone()));
        }
        while accepting.join_next().await.is_some() {}
        front.crowd.empty().await;
    }
}

/// Gives every connection a place to note whether a request is open on it.
struct GivePace;

#[async_trait::async_trait]
impl TlsAccept for GivePace {
    async fn handshake_complete_callback(&self, _tls: &TlsRef) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        Some(Arc::new(Pace::default()))
    }
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        // Never trust the system's authorities, not even by accident.
        ca_file: Some(config.backend.authorities_path.display().to_string()),
        // Connections to nodes are kept by `link`.
        upstream_keepalive_pool_size: 0,
        // A backstop: the limit that counts is ours.
        max_retries: usize::try_from(ATTEMPTS_PER_REQUEST_MAX).unwrap_or(1) + 1,
        ..ServerConf::default()
    }
}
