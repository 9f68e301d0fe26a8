//! A throw-away authority and what it signs. For development and tests only: its key lies beside the certificates.

use crate::clock;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::limits::CERTIFICATE_DAYS;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::time::Duration;

/// Name that every node's certificate carries, and suffix of its own name.
pub const NODE_SUFFIX: &str = "node.tfauth.internal";
/// Name by which nodes know a load balancer.
pub const LB_NAME: &str = "lb.tfauth.internal";
/// Base name of the files of the certificate that clients see.
pub const FRONT: &str = "localhost";
/// What clients may call the cluster.
pub const FRONT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIFE: Duration = Duration::from_secs(24 * 60 * 60 * CERTIFICATE_DAYS);
const NODE_USAGES: &[ExtendedKeyUsagePurpose] =
    &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];

/// Signs certificates of one cluster.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: String,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    /// The crypto library refused; not expected.
    pub fn generate() -> Result<Self> {
        let key = KeyPair::generate().map_err(|e| failed("the authority's key", &e))?;
        let key_pem = key.serialize_pem();
        let params = authority()?;
        let pem = params.self_signed(&key).map_err(|e| failed("the authority", &e))?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            key_pem,
        })
    }

    /// The authority of a cluster that was made before.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn load(layout: &Layout) -> Result<Self> {
        let read = |path: std::path::PathBuf| {
            files::read(&path)?.ok_or_else(|| Error::refused(format!("{} does not exist", path.display())))
        };
        let (pem, key_pem) = (read(layout.ca())?, read(layout.key("ca"))?);
        let key = KeyPair::from_pem(&key_pem).map_err(|e| failed("the authority's key", &e))?;
        // What it signs names it by its name and its key, and both are the same as before.
        let params = authority()?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            key_pem,
        })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for the names, with a new P-256 key.
    ///
    /// # Errors
    /// A name that is none.
    pub fn issue(&self, common_name: &str, names: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> Result<Pair> {
        self.issue_for(LIFE, common_name, names, usages)
    }

    /// Like [`Authority::issue_node`], and good for so long only; it may be over already.
    ///
    /// # Errors
    /// See [`Authority::issue`].
    pub fn issue_node_for(&self, life: Duration, name: &str) -> Result<Pair> {
        let own = format!("{name}.{NODE_SUFFIX}");
        self.issue_for(life, &own, &[NODE_SUFFIX, &own], NODE_USAGES)
    }

    fn issue_for(
        &self,
        life: Duration,
        common_name: &str,
        names: &[&str],
        usages: &[ExtendedKeyUsagePurpose],
    ) -> Result<Pair> {
        let key = KeyPair::generate().map_err(|e| failed(common_name, &e))?;
        let mut params = params(common_name, names)?;
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::unix_seconds()) + life;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|e| failed(common_name, &e))?
            .pem();
        Ok(Pair {
            certificate,
            key: key.serialize_pem(),
        })
    }

    /// Server and client in one: nodes serve load balancers and each other, and dial each other.
    ///
    /// # Errors
    /// See [`Authority::issue`].
    pub fn issue_node(&self, name: &str) -> Result<Pair> {
        self.issue_node_for(LIFE, name)
    }

    /// Client only: a load balancer must not pass for a node.
    ///
    /// # Errors
    /// See [`Authority::issue`].
    pub fn issue_lb(&self) -> Result<Pair> {
        self.issue(LB_NAME, &[LB_NAME], &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// What browsers and API clients see.
    ///
    /// # Errors
    /// See [`Authority::issue`].
    pub fn issue_front(&self) -> Result<Pair> {
        self.issue(FRONT, &FRONT_NAMES, &[ExtendedKeyUsagePurpose::ServerAuth])
    }
}

impl Pair {
    /// Writes both files, mode 0600.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, layout: &Layout, name: &str) -> Result<()> {
        files::write(&layout.certificate(name), self.certificate.as_bytes())?;
        files::write(&layout.key(name), self.key.as_bytes())
    }
}

/// Everything that a cluster of these members needs, into `<dir>/tls`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_all(layout: &Layout, nodes: &[String], lbs: &[String]) -> Result<()> {
    files::folder(&layout.tls())?;
    let authority = Authority::generate()?;
    files::write(&layout.ca(), authority.pem().as_bytes())?;
    files::write(&layout.key("ca"), authority.key_pem.as_bytes())?;
    for name in nodes {
        authority.issue_node(name)?.write(layout, name)?;
    }
    for name in lbs {
        authority.issue_lb()?.write(layout, name)?;
    }
    authority.issue_front()?.write(layout, FRONT)
}

fn authority() -> Result<CertificateParams> {
    let mut params = params("tfauth throw-away development CA", &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(params)
}

fn params(common_name: &str, names: &[&str]) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).map_err(|e| failed(common_name, &e))?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    // A day of slack for a clock that is set back.
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::unix_seconds());
    params.not_before = now - DAY;
    params.not_after = now + LIFE;
    Ok(params)
}

fn failed(what: &str, e: &rcgen::Error) -> Error {
    Error::fault(format!("cannot make the certificate of {what}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::server::WebPkiClientVerifier;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn roots(authority: &Authority) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(der(authority.pem())).unwrap();
        Arc::new(roots)
    }

    fn serves(authority: &Authority, pair: &Pair, name: &str) -> bool {
        crate::http::install_crypto();
        let verifier = WebPkiServerVerifier::builder(roots(authority)).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(&der(&pair.certificate), &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    fn dials(authority: &Authority, pair: &Pair) -> bool {
        crate::http::install_crypto();
        let verifier = WebPkiClientVerifier::builder(roots(authority)).build().unwrap();
        verifier
            .verify_client_cert(&der(&pair.certificate), &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn an_authority_that_was_loaded_signs_what_the_first_one_is_trusted_for() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        write_all(&layout, &["node-1".to_owned()], &[]).unwrap();
        let loaded = Authority::load(&layout).unwrap();
        let pair = loaded.issue_node("node-1").unwrap();
        assert!(serves(&loaded, &pair, "node-1.node.tfauth.internal"));
        let old = std::fs::read_to_string(layout.certificate("node-1")).unwrap();
        let old = Pair {
            certificate: old,
            key: String::new(),
        };
        assert!(serves(&loaded, &old, "node-1.node.tfauth.internal"));
        let over = loaded.issue_node_for(Duration::ZERO, "node-1").unwrap();
        let verifier = WebPkiServerVerifier::builder(roots(&loaded)).build().unwrap();
        let name = ServerName::try_from("node-1.node.tfauth.internal").unwrap();
        let later = UnixTime::since_unix_epoch(Duration::from_secs(clock::unix_seconds() + 60));
        let verified = |pair: &Pair| verifier.verify_server_cert(&der(&pair.certificate), &[], &name, &[], later);
        assert!(
            verified(&pair).is_ok() && verified(&over).is_err(),
            "a short life is over soon"
        );
    }

    #[test]
    fn tl_1_each_certificate_proves_its_own_names_only() {
        let authority = Authority::generate().unwrap();
        let node = authority.issue_node("node-1").unwrap();
        assert!(serves(&authority, &node, "node.tfauth.internal"));
        assert!(serves(&authority, &node, "node-1.node.tfauth.internal"));
        assert!(!serves(&authority, &node, "node-2.node.tfauth.internal"));
        assert!(!serves(&authority, &node, LB_NAME));
        assert!(dials(&authority, &node));
        let lb = authority.issue_lb().unwrap();
        assert!(dials(&authority, &lb));
        assert!(
            !serves(&authority, &lb, LB_NAME),
            "a load balancer's certificate is for dialing only"
        );
        let front = authority.issue_front().unwrap();
        for name in FRONT_NAMES {
            assert!(serves(&authority, &front, name), "{name}");
        }
        assert!(!dials(&authority, &front));
        let stranger = Authority::generate().unwrap();
        assert!(!serves(&stranger, &node, "node.tfauth.internal"));
    }

    #[test]
    fn cr_4_keys_are_private_files() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        write_all(&layout, &["node-1".to_owned()], &["lb-1".to_owned()]).unwrap();
        for name in ["ca", "node-1", "lb-1", FRONT] {
            let mode = std::fs::metadata(layout.key(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
