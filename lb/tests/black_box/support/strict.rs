//! A node that reads HTTP by itself, strictly, and counts. What it cannot read without any doubt it remembers as a
//! complaint: the load balancer must never send such a thing, whatever a client sent.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::pki::Pki;

/// What it saw.
#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<String>>,
    complaints: Mutex<Vec<String>>,
}

/// The node.
pub(crate) struct Strict {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Strict {
    /// Listens as `node-1`.
    pub(crate) async fn start(pki: &Pki) -> Self {
        let names = ["node.tfauth.internal", "node-1.node.tfauth.internal"];
        let acceptor = TlsAcceptor::from(pki.node_tls(&pki.authority, &names));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let strict = Self {
            address: listener.local_addr().expect("bound"),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&strict.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(&shared, stream).await;
                    }
                });
            }
        });
        strict
    }

    /// Request lines so far, without probes.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().clone()
    }

    /// What it could not read without doubt.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.shared.complaints.lock().clone()
    }
}

async fn serve(shared: &Shared, mut stream: TlsStream<TcpStream>) {
    let mut received = Vec::new();
    loop {
        let head_end = loop {
            if let Some(end) = position(&received, b"\r\n\r\n") {
                break end;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => {
                    if !received.is_empty() {
                        complain(shared, "half a request", &received);
                    }
                    return;
                }
                Ok(length) => received.extend_from_slice(&piece[..length]),
            }
        };
        let head = received[..head_end].to_vec();
        let length = match read_head(&head) {
            Ok(length) => length,
            Err(problem) => {
                complain(shared, problem, &head);
                return;
            }
        };
        received.drain(..head_end + 4);
        while received.len() < length {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => {
                    complain(shared, "half a body", &head);
                    return;
                }
                Ok(read) => received.extend_from_slice(&piece[..read]),
            }
        }
        received.drain(..length);
        if !received.is_empty() {
            complain(shared, "bytes after a request that is not answered yet", &received);
            return;
        }
        let line = String::from_utf8_lossy(&head)
            .lines()
            .next()
            .unwrap_or_default()
            .to_string();
        let body = if line.contains("/internal/v1/status") {
            STATUS
        } else {
            shared.requests.lock().push(line);
            "fine"
        };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The length of the body; an error for everything that leaves a doubt.
fn read_head(head: &[u8]) -> Result<usize, &'static str> {
    let text = std::str::from_utf8(head).map_err(|_| "bytes that are no text")?;
    if text
        .bytes()
        .any(|byte| byte != b'\r' && byte != b'\n' && byte.is_ascii_control())
    {
        return Err("a control character");
    }
    let mut lines = text.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    if line.len() != 3 || !line[1].starts_with('/') || line[2] != "HTTP/1.1" {
        return Err("a malformed request line");
    }
    let (mut length, mut hosts) = (None, 0);
    for line in lines {
        if line.contains(['\r', '\n']) {
            return Err("a bare CR or LF");
        }
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-!#$%&'*+.^`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("a malformed header name");
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_some() => return Err("two lengths"),
            "content-length" => length = Some(value.trim().parse().map_err(|_| "a malformed length")?),
            "transfer-encoding" | "upgrade" | "trailer" | "te" => return Err("a header of the last hop"),
            "host" => hosts += 1,
            _ => {}
        }
    }
    if hosts == 1 {
        Ok(length.unwrap_or(0))
    } else {
        Err("not exactly one Host")
    }
}

fn complain(shared: &Shared, problem: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    shared.complaints.lock().push(format!("{problem}: {text:?}"));
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

const STATUS: &str = r#"{"node_id":1,"name":"node-1","incarnation":"a","cluster_id":"c","term":1,"role":"leader",
"leader_id":1,"committed":1,"applied":1,"last_quorum_ms":1,"ready":true,"draining":false,"in_flight":0,"version":"1"}"#;
