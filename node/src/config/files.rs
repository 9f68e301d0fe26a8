//! Reads the files that the configuration names and proves that they fit together. Contents never reach a message.

use super::error::ConfigError;
use super::raw;
use crate::clock;
use crate::limits::FILE_BYTES_MAX;
use crate::tls::{Identity, NODE_SUFFIX, node_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, InconsistentKeys, RootCertStore};
use secrecy::SecretString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A file as text, up to [`FILE_BYTES_MAX`].
pub(super) fn read_text(setting: &'static str, path: &Path) -> Result<String, ConfigError> {
    let unreadable = |problem: String| ConfigError::Unreadable {
        setting,
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// A secret from a file that nobody else may read; a line end after it does not count.
pub(super) fn read_secret(setting: &'static str, path: &Path) -> Result<SecretString, ConfigError> {
    let metadata = std::fs::metadata(path).map_err(|error| ConfigError::Unreadable {
        setting,
        path: path.into(),
        problem: error.to_string(),
    })?;
    let mode = metadata.permissions().mode();
    if mode & 0o007 != 0 {
        let problem = format!(
            "every user of this machine may read it (mode {:04o}): chmod 600",
            mode & 0o7777
        );
        return Err(contents(setting, path, &problem));
    }
    let text = zeroize::Zeroizing::new(read_text(setting, path)?);
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// A folder that exists, or can be made later: nothing else may be in its place.
pub(super) fn check_folder(setting: &'static str, path: &Path) -> Result<(), ConfigError> {
    if path.as_os_str().is_empty() || (path.exists() && !path.is_dir()) {
        return Err(ConfigError::value(setting, path.display(), "a folder"));
    }
    Ok(())
}

/// Certificate, key and authorities; that they belong together, name this node and are good now.
pub(super) fn read_identity(tls: &raw::Tls, name: &str) -> Result<Identity, ConfigError> {
    let roots = read_authorities(&tls.ca)?;
    let chain = read_certificates("tls.certificate", &tls.certificate)?;
    let key = read_key(&tls.key)?;
    let provider = default_provider();
    CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| {
        if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            let rule = "the key must be the one that the certificate was made for";
            ConfigError::clash(
                ("tls.certificate", &tls.certificate.display()),
                ("tls.key", &tls.key.display()),
                rule,
            )
        } else {
            contents(
                "tls.key",
                &tls.key,
                "holds a private key of an unsupported kind; use ECDSA, Ed25519 or RSA",
            )
        }
    })?;
    check_names(&tls.certificate, &chain, name)?;
    check_trust(&tls.certificate, &chain, &roots, name)?;
    Ok(Identity { chain, key, roots })
}

fn read_authorities(path: &Path) -> Result<Arc<RootCertStore>, ConfigError> {
    let mut roots = RootCertStore::empty();
    for authority in read_certificates("tls.ca", path)? {
        roots
            .add(authority)
            .map_err(|_| contents("tls.ca", path, "holds a certificate that cannot serve as an authority"))?;
    }
    Ok(Arc::new(roots))
}

/// All certificates of a PEM file; there is at least one, and each can be parsed.
fn read_certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = read_text(setting, path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| contents(setting, path, "is not valid PEM"))?;
    if certificates.is_empty() {
        return Err(contents(
            setting,
            path,
            "holds no certificate; expected PEM with BEGIN CERTIFICATE",
        ));
    }
    for certificate in &certificates {
        ParsedCertificate::try_from(certificate)
            .map_err(|_| contents(setting, path, "holds a certificate that cannot be parsed"))?;
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable {
        setting: "tls.key",
        path: path.into(),
        problem: error.to_string(),
    };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    // A service manager may hand a key over with rights for a group; nobody does so for everyone.
    if mode & 0o007 != 0 {
        let problem = format!(
            "every user of this machine may read it (mode {:04o}): chmod 600",
            mode & 0o7777
        );
        return Err(contents("tls.key", path, &problem));
    }
    let text = zeroize::Zeroizing::new(read_text("tls.key", path)?);
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        contents(
            "tls.key",
            path,
            "holds no private key; expected PEM with BEGIN PRIVATE KEY",
        )
    })
}

/// The certificate must carry both names: the one of any node, and the one of this node.
fn check_names(path: &Path, chain: &[CertificateDer<'static>], name: &str) -> Result<(), ConfigError> {
    let Some(leaf) = chain.first() else {
        return Err(contents("tls.certificate", path, "holds no certificate"));
    };
    let parsed = ParsedCertificate::try_from(leaf)
        .map_err(|_| contents("tls.certificate", path, "holds a certificate that cannot be parsed"))?;
    for wanted in [NODE_SUFFIX.to_owned(), node_name(name)] {
        let server_name = ServerName::try_from(wanted.clone())
            .map_err(|_| ConfigError::value("name", name, "a label of a DNS name"))?;
        if rustls::client::verify_server_name(&parsed, &server_name).is_err() {
            let problem = format!(
                "the certificate does not carry the name {wanted} (subject alternative name); issue one that does"
            );
            return Err(contents("tls.certificate", path, &problem));
        }
    }
    Ok(())
}

/// Other nodes and load balancers will verify the certificate against the same authorities: fail here, not there.
fn check_trust(
    path: &Path,
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    name: &str,
) -> Result<(), ConfigError> {
    let refuse = |problem: &str| contents("tls.certificate", path, problem);
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(refuse("holds no certificate"));
    };
    let provider = Arc::new(default_provider());
    let server = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| contents("tls.ca", path, &error.to_string()))?;
    let client = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
        .build()
        .map_err(|error| contents("tls.ca", path, &error.to_string()))?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(clock::now().seconds()));
    let server_name =
        ServerName::try_from(node_name(name)).map_err(|_| ConfigError::value("name", name, "a label of a DNS name"))?;
    let serves = server
        .verify_server_cert(leaf, intermediates, &server_name, &[], now)
        .map(|_| ());
    let dials = client.verify_client_cert(leaf, intermediates, now).map(|_| ());
    serves.and(dials).map_err(|error| refuse(&distrust(&error)))
}

fn distrust(error: &rustls::Error) -> String {
    use CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return error.to_string();
    };
    // A bad signature: an authority of the same name with another key, such as one that was made anew.
    if matches!(bad, Bad::UnknownIssuer | Bad::BadSignature) {
        "was not issued by an authority of tls.ca".into()
    } else if matches!(bad, Bad::Expired | Bad::ExpiredContext { .. }) {
        "has expired; issue a new one".into()
    } else if matches!(bad, Bad::NotValidYet | Bad::NotValidYetContext { .. }) {
        "is not valid yet; check this machine's clock".into()
    } else {
        format!("cannot be used both to serve and to dial inside the cluster: {error}")
    }
}

pub(super) fn contents(setting: &'static str, path: &Path, problem: &str) -> ConfigError {
    ConfigError::Contents {
        setting,
        path: path.into(),
        problem: problem.into(),
    }
}
