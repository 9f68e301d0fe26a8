//! Reads the files that the configuration names and proves that keys belong to certificates. Contents never reach a
//! message.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::ConfigError;
use super::validity::Validity;
use crate::limits::FILE_BYTES_MAX;

/// A certificate chain, its key, and the proof that they belong together.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

/// A file as text, up to [`FILE_BYTES_MAX`].
pub(super) fn read_text(setting: &str, path: &Path) -> Result<String, ConfigError> {
    let unreadable = |problem: String| ConfigError::Unreadable {
        setting: setting.into(),
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    let length = file
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(length).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes")))
    }
}

/// All certificates of a PEM file; there is at least one, and each can be parsed.
pub(super) fn read_certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let wrong = |problem: &str| contents(setting, path, problem);
    let text = read_text(setting, path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| wrong("is not valid PEM"))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate; expected PEM with BEGIN CERTIFICATE"));
    }
    for certificate in &certificates {
        ParsedCertificate::try_from(certificate).map_err(|_| wrong("holds a certificate that cannot be parsed"))?;
    }
    Ok(certificates)
}

/// The authorities of a PEM file, also as a store to verify with.
pub(super) fn read_authorities(
    setting: &str,
    path: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Arc<RootCertStore>), ConfigError> {
    let authorities = read_certificates(setting, path)?;
    let text = read_text(setting, path)?;
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    if sections.count() != authorities.len() {
        return Err(contents(
            setting,
            path,
            "holds something else than certificates; remove it",
        ));
    }
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots
            .add(authority.clone())
            .map_err(|_| contents(setting, path, "holds a certificate that cannot serve as an authority"))?;
    }
    Ok((authorities, Arc::new(roots)))
}

/// A chain with its key; `section` is the part of the configuration that names both files.
pub(super) fn read_identity(section: &str, certificate: &Path, key: &Path) -> Result<Identity, ConfigError> {
    let certificate_setting = format!("{section}.certificate");
    let key_setting = format!("{section}.key");
    let chain = read_certificates(&certificate_setting, certificate)?;
    let key_text = read_text(&key_setting, key)?;
    let der = PrivateKeyDer::from_pem_slice(key_text.as_bytes()).map_err(|_| {
        contents(
            &key_setting,
            key,
            "holds no private key; expected PEM with BEGIN PRIVATE KEY",
        )
    })?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain.clone(), der.clone_key(), &provider).map_err(|error| {
        if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            ConfigError::Clash {
                first: certificate_setting,
                first_given: certificate.display().to_string(),
                second: key_setting,
                second_given: key.display().to_string(),
                rule: "the key must be the one that the certificate was made for".into(),
            }
        } else {
            contents(
                &key_setting,
                key,
                "holds a private key of an unsupported kind; use ECDSA, Ed25519 or RSA",
            )
        }
    })?;
    let validity = validity(&chain).ok_or_else(|| {
        let problem = "holds a certificate whose dates cannot be read";
        contents(&format!("{section}.certificate"), certificate, problem)
    })?;
    Ok(Identity {
        validity,
        chain,
        key: der,
        certified: Arc::new(certified),
    })
}

/// From when to when the first certificate of a chain is good.
fn validity(chain: &[CertificateDer<'_>]) -> Option<Validity> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    Some(Validity {
        from_unix: leaf.validity().not_before.timestamp(),
        until_unix: leaf.validity().not_after.timestamp(),
    })
}

fn contents(setting: &str, path: &Path, problem: &str) -> ConfigError {
    ConfigError::Contents {
        setting: setting.into(),
        path: path.into(),
        problem: problem.into(),
    }
}
