//! Load that makes a new connection, with a full handshake, for each request. It runs in a process of its own, on the core of the
//! other generators.
//!
//! Must not offer a session again: a proxy that resumes would be spared what one that does not has to do.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::idle;

/// Connections at the same time.
const AT_ONCE: usize = 16;
/// From the start of a connection to the end of the answer; wrk gives up as late.
const PATIENCE: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections with a full handshake and an answer 200.
    pub answered: u64,
    /// All others.
    pub failed: u64,
    /// What was wrong with the first of those.
    pub first_failure: Option<String>,
}

/// Asks a proxy on this machine for that long.
///
/// # Errors
/// The authority cannot be read.
pub async fn generate(ca: &Path, port: u16, time: Duration) -> Result<Counts, String> {
    let connector = connector(ca)?;
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        clients.spawn(client(connector.clone(), port, until));
    }
    let mut all = Counts::default();
    while let Some(counts) = clients.join_next().await {
        all.add(counts.map_err(|error| error.to_string())?);
    }
    Ok(all)
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// TLS 1.3 only, the key exchange that all proxies have, no sessions.
fn connector(ca: &Path) -> Result<TlsConnector, String> {
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(idle::roots(ca)?)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One connection after the other.
async fn client(connector: TlsConnector, port: u16, until: Instant) -> Counts {
    let mut counts = Counts::default();
    while Instant::now() < until {
        let did = tokio::time::timeout(PATIENCE, once(&connector, port)).await;
        match did.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))) {
            Ok(()) => counts.answered += 1,
            Err(why) => {
                counts.failed += 1;
                counts.first_failure.get_or_insert(why);
            }
        }
    }
    counts
}

/// Connects, shakes hands, asks once, reads the answer, closes.
async fn once(connector: &TlsConnector, port: u16) -> Result<(), String> {
    let words = |error: std::io::Error| error.to_string();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(words)?;
    tcp.set_nodelay(true).map_err(words)?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let mut stream = connector.connect(name, tcp).await.map_err(words)?;
    let kind = stream.get_ref().1.handshake_kind();
    if kind != Some(HandshakeKind::Full) {
        return Err(format!("the handshake was {kind:?}"));
    }
    let request = format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(words)?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES_MAX);
    while length(&answer).is_none_or(|length| answer.len() < length) {
        let read = stream.read_buf(&mut answer).await.map_err(words)?;
        if read == 0 || answer.len() > ANSWER_BYTES_MAX {
            return Err(format!("not a whole answer: {}", String::from_utf8_lossy(&answer)));
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&answer).into_owned());
    }
    // The answer is there; the proxy may have closed before us.
    let _ = stream.shutdown().await;
    Ok(())
}

/// Bytes of the whole answer, once its head has said how many follow.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body: usize = String::from_utf8_lossy(answer.get(..head)?).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let ours = name.eq_ignore_ascii_case("content-length");
        ours.then(|| value.trim().parse().ok())?
    })?;
    Some(head + body)
}

#[cfg(test)]
mod tests {
    use cluster_harness::certs::Authority;
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server that would resume; tells what each handshake was.
    async fn serve(listener: TcpListener, acceptor: TlsAcceptor, connections: usize) -> Vec<HandshakeKind> {
        let mut kinds = Vec::new();
        for _ in 0..connections {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(tcp).await.unwrap();
            kinds.extend(stream.get_ref().1.handshake_kind());
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            assert!(request.starts_with(b"GET "));
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            // Ends when the client does.
            let _ = stream.read_buf(&mut request).await;
        }
        kinds
    }

    #[tokio::test]
    async fn no_session_is_offered_again() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::generate().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let pair = authority.issue_front().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), 3));
        let connector = connector(&ca).unwrap();
        for _ in 0..3 {
            once(&connector, port).await.unwrap();
        }
        assert_eq!(server.await.unwrap(), [HandshakeKind::Full; 3]);
        assert!(once(&connector, port).await.is_err(), "nobody listens any more");
    }

    #[test]
    fn an_answer_tells_its_length() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"), Some(50));
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n"), None);
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"), None);
    }
}
