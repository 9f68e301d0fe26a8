//! A throw-away authority, and certificates of it for the front, the load balancer and nodes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// A certificate for these names, with its key, both in PEM.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_until(names, 4096)
    }

    /// The same, with the year in which it expires.
    pub(crate) fn issue_until(&self, names: &[&str], year: i32) -> (String, String) {
        self.issue_between(names, 1975, year)
    }

    /// The same, with the years in which it begins to be valid and expires.
    pub(crate) fn issue_between(&self, names: &[&str], from: i32, until: i32) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("valid names");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a usable authority");
        Arc::new(roots)
    }
}

/// The authority of one test, and a folder with the files that the program reads.
pub(crate) struct Pki {
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        // A second installation is refused, which is fine: the first one stays.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pki = Self {
            authority: Authority::new(),
            folder: tempfile::tempdir().expect("a folder"),
        };
        pki.write("ca.pem", &pki.authority.pem());
        for (file, name) in [("front", "localhost"), ("lb", "lb.tfauth.internal")] {
            pki.write_pair(file, &pki.authority.issue(&[name]));
        }
        pki
    }

    /// Writes a certificate and its key.
    pub(crate) fn write_pair(&self, file: &str, (certificate, key): &(String, String)) {
        self.write(&format!("{file}.pem"), certificate);
        self.write(&format!("{file}.key"), key);
    }

    /// A path next to the certificates.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file next to the certificates.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// TLS of a node with a certificate of `authority`, for clients of this test's authority.
    pub(crate) fn node_tls(&self, authority: &Authority, names: &[&str]) -> Arc<ServerConfig> {
        let (certificate, key) = authority.issue(names);
        let verifier = WebPkiClientVerifier::builder(self.authority.roots())
            .build()
            .expect("a verifier");
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
            );
        Arc::new(config.expect("a TLS configuration"))
    }

    /// TLS of a client that trusts this test's authority. It resumes nothing: a resumed session shows the certificate
    /// that it began with.
    pub(crate) fn client_tls(&self) -> Arc<ClientConfig> {
        let mut tls = ClientConfig::builder()
            .with_root_certificates(self.authority.roots())
            .with_no_client_auth();
        tls.resumption = rustls::client::Resumption::disabled();
        Arc::new(tls)
    }
}
