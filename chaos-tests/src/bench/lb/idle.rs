//! Memory of a proxy that holds idle TLS connections: each one shook hands, asked once and stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::IDLE_CONNECTIONS;
use super::programs::Proxy;

/// Connections that are being opened at the same time.
const AT_ONCE: usize = 16;
/// After the last answer, so that what is freed late is freed.
const SETTLE: Duration = Duration::from_secs(1);

/// KiB before the first connection, and with all of them.
pub(super) async fn memory(proxy: &Proxy, ca: &Path) -> Result<(u64, u64), String> {
    let connector = connector(ca)?;
    let before = proxy.program.resident_kib();
    let mut open = Vec::with_capacity(IDLE_CONNECTIONS);
    while open.len() < IDLE_CONNECTIONS {
        let more = (0..AT_ONCE).map(|_| connect(&connector, proxy.port));
        for stream in futures_util::future::join_all(more).await {
            open.push(stream.map_err(|error| format!("connection {}: {error}", open.len()))?);
        }
    }
    tokio::time::sleep(SETTLE).await;
    let after = proxy.program.resident_kib();
    drop(open);
    Ok((before, after))
}

/// The authority of the measurement.
pub(super) fn roots(ca: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let pem = CertificateDer::from_pem_file(ca).map_err(|error| format!("cannot read {}: {error}", ca.display()))?;
    roots.add(pem).map_err(|error| error.to_string())?;
    Ok(roots)
}

fn connector(ca: &Path) -> Result<TlsConnector, String> {
    let config = ClientConfig::builder()
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(connector: &TlsConnector, port: u16) -> Result<TlsStream<TcpStream>, String> {
    let tcp = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let mut stream = connector.connect(name, tcp).await.map_err(|error| error.to_string())?;
    let request = format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    let mut answer = [0_u8; 2_048];
    let read = stream.read(&mut answer).await.map_err(|error| error.to_string())?;
    if answer.starts_with(b"HTTP/1.1 200") {
        Ok(stream)
    } else {
        Err(String::from_utf8_lossy(&answer[..read]).into_owned())
    }
}
