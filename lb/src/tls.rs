//! TLS pieces that belong to the whole process: the one cryptographic provider, the certificate shown to clients, and
//! the client side of mutual TLS for probes. It reads no files.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Backend;

/// Makes aws-lc-rs the provider of the process. Must run before anything of pingora, which would install `ring`.
pub fn install_provider() {
    // An error means that one is installed already, which is what we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The certificate for clients; can be replaced while connections are accepted.
#[derive(Debug)]
pub struct FrontCertificate(ArcSwap<CertifiedKey>);

impl FrontCertificate {
    /// Shows `certificate` from now on.
    pub fn new(certificate: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(certificate))
    }

    /// Shows `certificate` to connections accepted from now on.
    pub fn replace(&self, certificate: Arc<CertifiedKey>) {
        self.0.store(certificate);
    }
}

impl ResolvesServerCert for FrontCertificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The client side of mutual TLS to nodes: our certificate, their authorities, full verification.
///
/// # Errors
/// What rustls does not like about the certificate or key.
pub fn client_config(backend: &Backend) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(Arc::clone(&backend.roots))
        .with_client_auth_cert(backend.chain.clone(), backend.key.clone_key())
}
