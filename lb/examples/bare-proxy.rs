//! pingora with nothing of ours: the floor under tfauth-lb, for `infra/dev bench lb`. Never part of what people run.
//!
//! It takes the configuration of tfauth-lb, and of it only the address, the certificate and the first node: every request goes
//! there unchanged. It checks nothing, repeats nothing, counts nothing and logs nothing. One thread, without work stealing, and
//! the allocator of tfauth-lb: what pingora is quickest with on one core.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use lb::config::{Backend, Config, NodeConfig};
use lb::limits::NODE_CONNECTIONS_IDLE_MAX;
use lb::tls::{FrontCertificates, install_provider};
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::{ALPN, HttpPeer};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare(HttpPeer);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.clone()))
    }
}

/// TLS settings with a resolver of certificates ask for callbacks.
struct Nothing;

#[async_trait]
impl TlsAccept for Nothing {}

fn main() -> ExitCode {
    match serve() {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bare-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("which configuration? Example: bare-proxy lb.toml")?;
    install_provider();
    let config = Config::load(path.as_ref())?;
    let node = config.nodes.first().ok_or("the configuration names no node")?;
    let peer = peer(node, &config.backend);
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        ca_file: Some(config.backend.authorities_path.display().to_string()),
        // As many as tfauth-lb keeps for a node: with fewer, some requests would pay for a handshake.
        upstream_keepalive_pool_size: NODE_CONNECTIONS_IDLE_MAX,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(peer));
    for address in &config.front.listen {
        let mut settings = TlsSettings::with_callbacks(Box::new(Nothing))?;
        settings.set_cert_resolver(Arc::new(FrontCertificates::new(config.front.certificates.clone())));
        settings.enable_h2();
        service.add_tls_with_settings(&address.to_string(), None, settings);
    }
    server.add_service(service);
    server.run_forever()
}

/// The node over mutual TLS, verified, as pingora does it.
fn peer(node: &NodeConfig, backend: &Backend) -> HttpPeer {
    let chain = backend.chain.iter().map(|certificate| certificate.to_vec()).collect();
    let key = CertKey::new(chain, backend.key.secret_der().to_vec());
    let mut peer = HttpPeer::new_mtls(node.address, node.certificate_name(), Arc::new(key));
    let authorities: Vec<WrappedX509> = backend
        .authorities
        .iter()
        .map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509))
        .collect();
    peer.options.ca = Some(authorities.into());
    peer.options.alpn = ALPN::H1;
    peer
}
