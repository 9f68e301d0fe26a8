//! A client that can also misbehave: whole requests over TLS, raw bytes over TLS, and plain HTTP for operators.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// An answer in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// A client of the front; cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        Self { address, tls }
    }

    /// A TLS connection that speaks HTTP/1.1.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with("http/1.1").await
    }

    /// A TLS connection that asks for a protocol, and gets it.
    pub(crate) async fn connect_with(&self, protocol: &str) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.expect("the front listens");
        self.greet(stream, "localhost", protocol)
            .await
            .expect("TLS with the front")
    }

    /// Shakes hands with the host `name` on a connection that is there already.
    pub(crate) async fn greet(
        &self,
        stream: TcpStream,
        name: &str,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(name.to_string()).expect("a name");
        let connector = TlsConnector::from(Arc::new(tls));
        let stream = connector.connect(name, stream).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        Ok(stream)
    }

    /// The same client with other TLS.
    pub(crate) fn with_tls(&self, tls: Arc<ClientConfig>) -> Self {
        Self::new(self.address, tls)
    }

    /// Sends one request on a connection of its own; `Host` is added unless it is there.
    pub(crate) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let has_host = request
            .headers_ref()
            .is_some_and(|headers| headers.contains_key("host"));
        let request = if has_host {
            request
        } else {
            request.header("host", "localhost")
        };
        exchange(
            self.connect().await,
            request.body(Full::new(body.into())).expect("a request"),
        )
        .await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target), "").await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Request::post(target).header("content-type", "application/json"), body)
            .await
    }

    /// Sends bytes and reads to the end; tells whether the other side closed.
    pub(crate) async fn raw_to_end(&self, bytes: &[u8]) -> (String, bool) {
        let (mut reading, mut writing) = tokio::io::split(self.connect().await);
        let bytes = bytes.to_vec();
        // The other side may close before it has read everything.
        let sending = tokio::spawn(async move {
            let _ = writing.write_all(&bytes).await;
            writing
        });
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        let receiving = async {
            loop {
                match reading.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(length) => answer.extend_from_slice(&piece[..length]),
                }
            }
        };
        let is_closed = tokio::time::timeout(PATIENCE, receiving).await.is_ok();
        sending.abort();
        (String::from_utf8_lossy(&answer).into_owned(), is_closed)
    }

    /// Sends bytes and reads until the other side closes or is silent for a second.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The other side may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(Ok(length)) = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut piece)).await {
            if length == 0 {
                break;
            }
            answer.extend_from_slice(&piece[..length]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A plain GET.
pub(crate) async fn plain(address: SocketAddr, target: &str) -> Answer {
    plain_with(address, Request::get(target).header("host", "ops")).await
}

/// A plain request without a body.
pub(crate) async fn plain_with(address: SocketAddr, request: http::request::Builder) -> Answer {
    let stream = TcpStream::connect(address).await.expect("somebody listens");
    let request = request.body(Full::new(Bytes::new())).expect("a request");
    exchange(stream, request).await
}

/// One request on a connection that is there already.
pub(crate) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchanging = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    };
    tokio::time::timeout(PATIENCE, exchanging)
        .await
        .expect("an answer in time")
}

/// Asks on a connection of a front that drains: the answer says that it is the last one, and the connection ends in order.
pub(crate) async fn last_answer(stream: &mut TlsStream<TcpStream>) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    // An end without TLS's closing words would be an error here.
    stream.read_to_string(&mut answer).await.expect("closed in order");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
}
