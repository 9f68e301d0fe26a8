//! Mutual TLS inside the system: who may connect to which listener is decided by the names in certificates, TLS 1.3 only.
//!
//! Reads no files: [`crate::config`] does.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::fmt;
use std::sync::Arc;

/// Every node's certificate carries this name.
pub const NODE_SUFFIX: &str = "node.tfauth.internal";
/// Every load balancer's certificate carries this name.
pub const LB_NAME: &str = "lb.tfauth.internal";

/// This node's certificate chain with its key, and the authorities that it believes.
pub struct Identity {
    /// The leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// Whom certificates of others must come from.
    pub roots: Arc<RootCertStore>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

/// Makes aws-lc-rs the provider of the whole process. Must run before anything opens TLS.
pub fn install_provider() {
    // An error means that one is installed already; every configuration here names its provider anyway.
    let _ = default_provider().install_default();
}

/// The name in a node's certificate that tells which node it is.
#[must_use]
pub fn node_name(name: &str) -> String {
    format!("{name}.{NODE_SUFFIX}")
}

/// For the HTTP listener: only load balancers get in.
///
/// # Errors
/// What rustls does not accept about certificate, key or authorities.
pub fn http_server(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = server(identity, LB_NAME)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// For the listener of other nodes: only nodes get in. Which node it is, the store compares with what it says.
///
/// # Errors
/// See [`http_server`].
pub fn peer_server(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    Ok(Arc::new(server(identity, NODE_SUFFIX)?))
}

/// For dialling other nodes.
///
/// # Errors
/// See [`http_server`].
pub fn peer_client(identity: &Identity) -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(Arc::clone(&identity.roots))
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?;
    Ok(Arc::new(config))
}

/// For dialling services outside of the cluster, by the authorities that this machine believes and one more (PEM).
///
/// # Errors
/// When that one is none, or the library refuses the whole.
pub fn public_client(authority: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // Some of a machine's authorities may be unreadable; a certificate that needs them is refused then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = authority {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn server(identity: &Identity, client_name: &'static str) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(default_provider());
    let verifier = NamedClients::new(Arc::clone(&identity.roots), client_name, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    // A resumed session would not show its certificate again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Verifies a client's certificate like any other, and then that it carries one name.
#[derive(Debug)]
struct NamedClients {
    chain: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl NamedClients {
    fn new(
        roots: Arc<RootCertStore>,
        name: &'static str,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        let general = |error: &dyn fmt::Display| rustls::Error::General(error.to_string());
        let chain = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .build()
            .map_err(|error| general(&error))?;
        let name = ServerName::try_from(name).map_err(|error| general(&error))?;
        Ok(Self { chain, name })
    }
}

impl ClientCertVerifier for NamedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        // A certificate for another purpose is refused as one that may not be used here.
        verify_server_name(&certificate, &self.name)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
#[path = "tls_testing.rs"]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::testing::{Authority, handshake};
    use super::*;

    #[tokio::test]
    async fn tl_1_the_http_listener_lets_only_load_balancers_in() {
        let authority = Authority::new();
        let node = authority.node("node-1");
        let server = http_server(&node).unwrap();
        let name = node_name("node-1");
        handshake(&server, &peer_client(&authority.lb()).unwrap(), &name)
            .await
            .unwrap();
        let other_node = peer_client(&authority.node("node-2")).unwrap();
        assert!(
            handshake(&server, &other_node, &name).await.is_err(),
            "a node is no load balancer"
        );
        let nobody = authority.anonymous_client();
        assert!(
            handshake(&server, &nobody, &name).await.is_err(),
            "without a certificate nobody gets in"
        );
        let stranger = Authority::new().lb_believing(&authority);
        assert!(
            handshake(&server, &peer_client(&stranger).unwrap(), &name)
                .await
                .is_err(),
            "another authority"
        );
    }

    #[tokio::test]
    async fn tl_1_the_peer_listener_lets_only_nodes_in() {
        let authority = Authority::new();
        let server = peer_server(&authority.node("node-1")).unwrap();
        let name = node_name("node-1");
        handshake(&server, &peer_client(&authority.node("node-2")).unwrap(), &name)
            .await
            .unwrap();
        let lb = peer_client(&authority.lb()).unwrap();
        assert!(
            handshake(&server, &lb, &name).await.is_err(),
            "a load balancer is no node"
        );
    }

    #[tokio::test]
    async fn a_node_is_dialled_by_its_own_name() {
        let authority = Authority::new();
        let server = peer_server(&authority.node("node-1")).unwrap();
        let client = peer_client(&authority.node("node-2")).unwrap();
        assert!(handshake(&server, &client, &node_name("node-3")).await.is_err());
    }

    #[tokio::test]
    async fn tl_1_old_tls_is_refused() {
        let authority = Authority::new();
        let server = http_server(&authority.node("node-1")).unwrap();
        let client = authority.tls12_client();
        assert!(handshake(&server, &client, &node_name("node-1")).await.is_err());
    }
}
