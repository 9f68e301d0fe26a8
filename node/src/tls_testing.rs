//! Throw-away authorities and handshakes in memory. For tests only.

use super::{Identity, LB_NAME, NODE_SUFFIX, node_name};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::{Arc, OnceLock};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Signs certificates of one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key, as PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// One authority for all tests that do not care.
    pub(crate) fn cached() -> &'static Self {
        static CACHED: OnceLock<Authority> = OnceLock::new();
        CACHED.get_or_init(Self::new)
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Pem {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn expired_node_pem(&self, name: &str) -> Pem {
        self.issue_with(&[NODE_SUFFIX, &node_name(name)], |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pem {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn node_pem(&self, name: &str) -> Pem {
        self.issue(&[NODE_SUFFIX, &node_name(name)])
    }

    pub(crate) fn node(&self, name: &str) -> Identity {
        self.identity(&self.node_pem(name))
    }

    pub(crate) fn lb(&self) -> Identity {
        self.identity(&self.issue(&[LB_NAME]))
    }

    /// A certificate of this authority for somebody who believes another one.
    pub(crate) fn lb_believing(&self, other: &Self) -> Identity {
        Identity {
            roots: other.roots(),
            ..self.lb()
        }
    }

    pub(crate) fn anonymous_client(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    pub(crate) fn tls12_client(&self) -> Arc<ClientConfig> {
        let lb = self.lb();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
        Arc::new(
            builder
                .with_root_certificates(self.roots())
                .with_client_auth_cert(lb.chain, lb.key)
                .unwrap(),
        )
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        Arc::new(roots)
    }

    fn identity(&self, pem: &Pem) -> Identity {
        use rustls::pki_types::pem::PemObject as _;
        Identity {
            chain: vec![CertificateDer::from_pem_slice(pem.certificate.as_bytes()).unwrap()],
            key: PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap(),
            roots: self.roots(),
        }
    }
}

/// A handshake over a pipe in memory. The client's side alone would not notice a refusal: TLS 1.3 tells it later.
pub(crate) async fn handshake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<()> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = TlsAcceptor::from(Arc::clone(server)).accept(far);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connect = TlsConnector::from(Arc::clone(client)).connect(name, near);
    let (accepted, connected) = tokio::join!(accept, connect);
    accepted?;
    connected?;
    Ok(())
}
