//! HTTP clients of the harness: one for the cluster's front, one for operations ports.

use crate::error::{Error, Result};
use crate::limits::{PROBE_MILLIS_MAX, REQUEST_SECONDS_MAX};
use reqwest::{Certificate, Client};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Makes aws-lc-rs the process's crypto library, once; later calls change nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A client that trusts the cluster's authority and nobody else.
///
/// # Errors
/// The file cannot be read or holds no certificate.
pub fn front_client(ca: &Path) -> Result<Client> {
    front_client_of(ca, None)
}

/// The same with an address of this machine that it comes from, so that it is another client to limits per address.
///
/// # Errors
/// The file cannot be read or holds no certificate.
pub fn front_client_of(ca: &Path, address: Option<IpAddr>) -> Result<Client> {
    install_crypto();
    let pem = std::fs::read(ca).map_err(|e| Error::file("read", ca, &e))?;
    let certificate = Certificate::from_pem(&pem).map_err(|e| Error::file("parse", ca, &e))?;
    Client::builder()
        .tls_certs_only([certificate])
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .local_address(address)
        .timeout(Duration::from_secs(REQUEST_SECONDS_MAX))
        .build()
        .map_err(|e| Error::fault(format!("cannot make an HTTP client: {e}")))
}

/// A client for operations ports on this machine.
///
/// # Errors
/// Not expected.
pub fn ops_client() -> Result<Client> {
    install_crypto();
    Client::builder()
        .tls_certs_only([])
        .timeout(Duration::from_millis(PROBE_MILLIS_MAX))
        .no_proxy()
        .build()
        .map_err(|e| Error::fault(format!("cannot make an HTTP client: {e}")))
}

/// An error of the client with its causes, which its own text leaves out.
pub(crate) fn explain(e: &reqwest::Error) -> String {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
