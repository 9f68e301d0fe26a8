//! The listener for clients: sockets that are bound before anything else happens, and pingora's service on top of them.
//!
//! pingora's own `Server` is not used: it would bind late, retry for half a minute when a port is taken, and sleep while it
//! stops. Only its service runs here, on our runtime, with our signals.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::http_proxy_service_with_name;
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ShutdownWatch};
use pingora::services::Service;

use crate::config::Config;
use crate::limits::{
    ATTEMPTS_PER_REQUEST_MAX, CLIENT_IDLE_SECONDS_MAX, NODE_CONNECTIONS_IDLE_MAX, REQUESTS_PER_CONNECTION_MAX,
};
use crate::proxy::Proxy;
use crate::tls::FrontCertificate;

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
    service: Box<dyn Service>,
    sockets: Arc<Mutex<Fds>>,
}

impl Front {
    /// Puts the proxy behind TLS on the bound sockets.
    ///
    /// # Errors
    /// pingora refuses the TLS settings.
    pub fn new(
        config: &Config,
        proxy: Proxy,
        certificate: &Arc<FrontCertificate>,
        bound: Vec<Bound>,
    ) -> Result<Self, FrontError> {
        let mut service = http_proxy_service_with_name(&Arc::new(server_conf(config)), proxy, "front");
        let mut options = HttpServerOptions::default();
        options.keepalive_request_limit = Some(REQUESTS_PER_CONNECTION_MAX);
        options.h2_idle_timeout = Some(Duration::from_secs(CLIENT_IDLE_SECONDS_MAX));
        if let Some(app) = service.app_logic_mut() {
            app.server_options = Some(options);
        }
        // pingora takes a socket over when the table has one for an address, as it does after an upgrade.
        let mut sockets = Fds::new();
        for bound in bound {
            let address = bound.address.to_string();
            let mut settings = TlsSettings::intermediate("", "").map_err(|error| FrontError::Tls(error.to_string()))?;
            settings.set_cert_resolver(Arc::clone(certificate) as _);
            settings.enable_h2();
            service.add_tls_with_settings(&address, None, settings);
            sockets.add(address, bound.socket.into_raw_fd());
        }
        Ok(Self {
            service: Box::new(service),
            sockets: Arc::new(Mutex::new(sockets)),
        })
    }

    /// Serves until `shutdown` becomes true; requests in flight go on after that.
    pub async fn run(mut self, shutdown: ShutdownWatch) {
        self.service.start_service(Some(self.sockets), shutdown, 1).await;
    }
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        // Never trust the system's authorities, not even by accident.
        ca_file: Some(config.backend.authorities_path.display().to_string()),
        upstream_keepalive_pool_size: NODE_CONNECTIONS_IDLE_MAX,
        // A backstop: the limit that counts is ours.
        max_retries: usize::try_from(ATTEMPTS_PER_REQUEST_MAX).unwrap_or(1) + 1,
        ..ServerConf::default()
    }
}
