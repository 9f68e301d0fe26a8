//! Checks the two edges of the load balancer: where clients come in, and who it is to the nodes. Reads the certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::ServerName;

use super::raw::{RawBackend, RawFront, RawRedirect};
use super::value::{Checked, address, clash, value};
use super::{Backend, Front, FrontIdentity, HostList, Networks, Redirect, Validity, files};
use crate::clock;
use crate::limits::{CERTIFICATE_EXPIRY_WARNING_SECONDS, CERTIFICATES_MAX, FRONT_LISTENERS_MAX};

/// The files that the configuration names, and what was noticed about them.
pub(super) struct Named<'a> {
    folder: &'a Path,
    pub(super) files: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Named<'a> {
    /// Relative names start at `folder`.
    pub(super) fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn file(&mut self, text: &str) -> PathBuf {
        let path = self.folder.join(text);
        self.files.push(path.clone());
        path
    }

    fn warn_of_validity(&mut self, setting: &str, validity: Validity) {
        let now = clock::unix_seconds();
        let left = validity.until_unix.saturating_sub(now);
        if validity.from_unix > now {
            self.warnings.push(format!(
                "{setting}: the certificate is not valid yet; clients will refuse it"
            ));
        } else if left <= 0 {
            self.warnings.push(format!(
                "{setting}: the certificate has expired; clients will refuse it"
            ));
        } else if left < CERTIFICATE_EXPIRY_WARNING_SECONDS {
            let days = left / 86_400;
            self.warnings
                .push(format!("{setting}: the certificate expires in {days} days; renew it"));
        }
    }
}

pub(super) fn front(raw: &RawFront, ops: SocketAddr, named: &mut Named<'_>) -> Checked<Front> {
    let listen = addresses("front.listen", &raw.listen)?;
    apart("front.listen", &listen, "ops.listen", &[ops])?;
    if raw.hosts.is_empty() {
        return Err(value(
            "front.hosts",
            "[]",
            "at least one host name, such as \"auth.example.com\"",
        ));
    }
    let hosts = HostList::parse(&raw.hosts).map_err(|name| {
        value(
            "front.hosts",
            format!("{name:?}"),
            "host names or addresses without scheme and port",
        )
    })?;
    let trusted_proxies = Networks::parse(&raw.trusted_proxies).map_err(|network| {
        value(
            "front.trusted_proxies",
            format!("{network:?}"),
            "networks such as \"10.0.0.0/8\" and addresses",
        )
    })?;
    if raw.proxy_protocol && trusted_proxies.is_empty() {
        let rule = "somebody must be trusted to announce clients";
        return Err(clash("front.proxy_protocol", true, "front.trusted_proxies", "[]", rule));
    }
    let certificates = certificates(raw, &hosts, named)?;
    Ok(Front {
        listen,
        hosts,
        certificates,
        trusted_proxies,
        proxy_protocol: raw.proxy_protocol,
    })
}

fn certificates(raw: &RawFront, hosts: &HostList, named: &mut Named<'_>) -> Checked<Vec<FrontIdentity>> {
    if raw.more_certificates.len() >= CERTIFICATES_MAX {
        let allowed = format!("up to {} certificates", CERTIFICATES_MAX - 1);
        return Err(value("front.more_certificates", raw.more_certificates.len(), &allowed));
    }
    let more = raw
        .more_certificates
        .iter()
        .map(|identity| ("front.more_certificates", &identity.certificate, &identity.key));
    let mut identities = Vec::new();
    for (section, certificate, key) in [("front", &raw.certificate, &raw.key)].into_iter().chain(more) {
        let (certificate, key) = (named.file(certificate), named.file(key));
        let identity = files::read_identity(section, &certificate, &key)?;
        let setting = format!("{section}.certificate {}", certificate.display());
        named.warn_of_validity(&setting, identity.validity);
        identities.push(FrontIdentity {
            covers: covered(hosts, &identity.chain),
            certified: identity.certified,
            validity: identity.validity,
        });
    }
    for host in hosts.names() {
        let is_covered = identities
            .iter()
            .any(|identity| identity.covers.iter().any(|name| name == host));
        if !is_covered {
            named.warnings.push(format!(
                "front.hosts: no certificate covers {host}; clients will refuse it"
            ));
        }
    }
    Ok(identities)
}

fn covered(hosts: &HostList, chain: &[rustls_pki_types::CertificateDer<'static>]) -> Vec<String> {
    let Some(leaf) = chain.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok()) else {
        return Vec::new();
    };
    let is_covered =
        |host: &&str| ServerName::try_from(*host).is_ok_and(|name| verify_server_name(&leaf, &name).is_ok());
    hosts.names().filter(is_covered).map(str::to_owned).collect()
}

pub(super) fn redirect(raw: &RawRedirect, front: &Front, ops: SocketAddr) -> Checked<Redirect> {
    let listen = addresses("redirect.listen", &raw.listen)?;
    apart("redirect.listen", &listen, "ops.listen", &[ops])?;
    apart("redirect.listen", &listen, "front.listen", &front.listen)?;
    if raw.https_port == 0 {
        return Err(value("redirect.https_port", 0, "1 to 65535"));
    }
    Ok(Redirect {
        listen,
        https_port: raw.https_port,
    })
}

pub(super) fn backend(raw: &RawBackend, named: &mut Named<'_>) -> Checked<Backend> {
    let authorities_path = named.file(&raw.ca);
    let (authorities, roots) = files::read_authorities("backend.ca", &authorities_path)?;
    let (certificate, key) = (named.file(&raw.certificate), named.file(&raw.key));
    let identity = files::read_identity("backend", &certificate, &key)?;
    named.warn_of_validity("backend.certificate", identity.validity);
    Ok(Backend {
        authorities_path,
        authorities,
        roots,
        chain: identity.chain,
        key: identity.key,
        validity: identity.validity,
    })
}

/// A list of addresses to listen on, each of them once.
fn addresses(setting: &str, texts: &[String]) -> Checked<Vec<SocketAddr>> {
    if texts.is_empty() || texts.len() > FRONT_LISTENERS_MAX {
        return Err(value(
            setting,
            texts.len(),
            &format!("1 to {FRONT_LISTENERS_MAX} addresses"),
        ));
    }
    let listen = texts
        .iter()
        .map(|text| address(setting, text))
        .collect::<Checked<Vec<_>>>()?;
    for (index, address) in listen.iter().enumerate() {
        if address.port() != 0 && listen[..index].contains(address) {
            let rule = "an address may be listed once";
            return Err(clash(setting, address, setting, address, rule));
        }
    }
    Ok(listen)
}

/// The addresses of two settings differ; port 0 never clashes, since the system then chooses.
fn apart(setting: &str, listen: &[SocketAddr], other: &str, taken: &[SocketAddr]) -> Checked<()> {
    let clashing = listen
        .iter()
        .find(|address| address.port() != 0 && taken.contains(address));
    clashing.map_or(Ok(()), |address| {
        Err(clash(setting, address, other, address, "the two must differ"))
    })
}
