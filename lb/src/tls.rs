//! TLS pieces that belong to the whole process: the one cryptographic provider, the certificates shown to clients, and
//! the client side of mutual TLS for probes. It reads no files.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsConnector;

use crate::config::{Backend, FrontIdentity};

/// Makes aws-lc-rs the provider of the process. Must run before anything of pingora, which would install `ring`.
pub fn install_provider() {
    // An error means that one is installed already, which is what we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The certificates for clients; can be replaced while connections are accepted.
pub struct FrontCertificates(ArcSwap<Vec<FrontIdentity>>);

impl FrontCertificates {
    /// Shows `identities` from now on; the first one to clients that name no host of ours.
    pub fn new(identities: Vec<FrontIdentity>) -> Self {
        Self(ArcSwap::from_pointee(identities))
    }

    /// Shows `identities` to connections accepted from now on.
    pub fn replace(&self, identities: Vec<FrontIdentity>) {
        self.0.store(Arc::new(identities));
    }

    /// The first certificate that covers the name and whose key `can_sign` for the client; then any that can sign.
    fn choose(&self, name: Option<&str>, can_sign: impl Fn(&CertifiedKey) -> bool) -> Option<Arc<CertifiedKey>> {
        let identities = self.0.load();
        let covers = |identity: &&FrontIdentity| {
            name.is_some_and(|name| identity.covers.iter().any(|covered| covered.eq_ignore_ascii_case(name)))
        };
        let usable = || identities.iter().filter(|identity| can_sign(&identity.certified));
        usable()
            .find(covers)
            .or_else(|| usable().next())
            .map(|identity| Arc::clone(&identity.certified))
    }
}

impl std::fmt::Debug for FrontCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrontCertificates")
    }
}

impl ResolvesServerCert for FrontCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), |certified| {
            certified.key.choose_scheme(hello.signature_schemes()).is_some()
        })
    }
}

/// The client side of mutual TLS to nodes: our certificate, their authorities, full verification with every connection.
///
/// # Errors
/// What rustls does not like about the certificate or key.
pub fn connector(backend: &Backend) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(Arc::clone(&backend.roots))
        .with_client_auth_cert(backend.chain.clone(), backend.key.clone_key())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good_config;

    #[test]
    fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
        let config = good_config();
        let [one] = config.front.certificates.as_slice() else {
            panic!("one certificate")
        };
        let identity = |name: &str| FrontIdentity {
            certified: Arc::new(CertifiedKey::clone(&one.certified)),
            covers: vec![name.to_string()],
            validity: one.validity,
        };
        let identities = vec![identity("a.example"), identity("b.example"), identity("b.example")];
        let keys: Vec<_> = identities
            .iter()
            .map(|identity| Arc::clone(&identity.certified))
            .collect();
        let shown = FrontCertificates::new(identities);
        let index_of = |name, refused: Option<usize>| {
            let can_sign = |key: &CertifiedKey| refused.is_none_or(|index| !std::ptr::eq(key, &*keys[index]));
            let chosen = shown.choose(name, can_sign).expect("a certificate");
            keys.iter().position(|key| Arc::ptr_eq(key, &chosen))
        };
        assert_eq!(index_of(Some("B.example"), None), Some(1));
        assert_eq!(index_of(Some("a.example"), None), Some(0));
        assert_eq!(index_of(None, None), Some(0));
        assert_eq!(index_of(Some("c.example"), None), Some(0));
        // A client that cannot verify the first key's signatures gets the second certificate of the same name.
        assert_eq!(index_of(Some("b.example"), Some(1)), Some(2));
        assert_eq!(index_of(Some("a.example"), Some(0)), Some(1));
    }
}
