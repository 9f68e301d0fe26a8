//! A node that does what a test tells it: answers, dies, hesitates, refuses. It records every request in full.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use auth_api::headers::NOT_EXECUTED;
use auth_api::paths::INTERNAL_STATUS;
use auth_api::status::{NodeStatus, Role};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Pki};

/// What a node does with requests other than probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// 200 with its name.
    Answer,
    /// Reads the request and closes the connection.
    Die,
    /// Reads the request and never answers.
    Hang,
    /// Answers when the test says so.
    Wait,
    /// 503 that had no effect.
    NotExecuted,
    /// 503 with an open outcome.
    OpenOutcome,
    /// 200 with more bytes than sockets buffer.
    Flood,
    /// 204 with a head that is nearly as long as what TLS buffers.
    LongHead,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

struct Shared {
    name: String,
    conduct: Mutex<Conduct>,
    seen: Mutex<Vec<Seen>>,
    is_ready: AtomicBool,
    incarnation: AtomicUsize,
    handshakes: AtomicUsize,
    go: Notify,
}

/// A node.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    tls: Arc<ServerConfig>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Node {
    /// A node whose certificate carries the names that it should.
    pub(crate) async fn start(authority: &Authority, pki: &Pki, name: &str) -> Self {
        let own_name = format!("{name}.node.tfauth.internal");
        Self::start_with_names(authority, pki, name, &["node.tfauth.internal", &own_name]).await
    }

    /// A node whose certificate carries these names.
    pub(crate) async fn start_with_names(authority: &Authority, pki: &Pki, name: &str, names: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let node = Self {
            address: listener.local_addr().expect("bound"),
            shared: Arc::new(Shared {
                name: name.to_string(),
                conduct: Mutex::new(Conduct::Answer),
                seen: Mutex::default(),
                is_ready: AtomicBool::new(true),
                incarnation: AtomicUsize::new(1),
                handshakes: AtomicUsize::new(0),
                go: Notify::new(),
            }),
            tls: pki.node_tls(authority, names),
            tasks: Arc::default(),
        };
        node.listen(listener);
        node
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    pub(crate) fn behave(&self, conduct: Conduct) {
        *self.shared.conduct.lock() = conduct;
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.shared.is_ready.store(is_ready, Ordering::SeqCst);
    }

    /// Lets one request of [`Conduct::Wait`] go on.
    pub(crate) fn go(&self) {
        self.shared.go.notify_one();
    }

    /// Requests that came in, without probes.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    /// TLS handshakes that were completed.
    pub(crate) fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::SeqCst)
    }

    /// Ends every connection and the listener, as `kill -9` does.
    pub(crate) async fn kill(&self) {
        let tasks: Vec<_> = self.tasks.lock().drain(..).collect();
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens again at the same address, as another incarnation.
    pub(crate) async fn restart(&self) {
        self.shared.incarnation.fetch_add(1, Ordering::SeqCst);
        self.listen(TcpListener::bind(self.address).await.expect("the port is free again"));
    }

    fn listen(&self, listener: TcpListener) {
        let (shared, tls, tasks) = (Arc::clone(&self.shared), Arc::clone(&self.tls), Arc::clone(&self.tasks));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = tokio::spawn(serve(Arc::clone(&shared), TlsAcceptor::from(Arc::clone(&tls)), stream));
                tasks.lock().push(connection);
            }
        });
        self.tasks.lock().push(task);
    }
}

async fn serve(shared: Arc<Shared>, tls: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = tls.accept(stream).await else { return };
    shared.handshakes.fetch_add(1, Ordering::SeqCst);
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// An error closes the connection without an answer.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, &'static str> {
    if request.uri().path() == INTERNAL_STATUS {
        let status = serde_json::to_vec(&status(&shared)).expect("JSON");
        return Ok(Response::new(Full::new(status.into())));
    }
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| "the request is incomplete")?
        .to_bytes();
    shared.seen.lock().push(Seen {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body,
    });
    let conduct = *shared.conduct.lock();
    match conduct {
        Conduct::Answer => {}
        Conduct::Die => return Err("died"),
        Conduct::Hang => tokio::time::sleep(Duration::from_secs(3_600)).await,
        Conduct::Wait => shared.go.notified().await,
        Conduct::Flood => return Ok(Response::new(Full::new(Bytes::from(vec![b'x'; 64 << 20])))),
        Conduct::LongHead => {
            let response = Response::builder().status(StatusCode::NO_CONTENT);
            let response = response.header("x-filler", "x".repeat(60_000)).body(Full::default());
            return response.map_err(|_| "no response");
        }
        Conduct::NotExecuted | Conduct::OpenOutcome => {
            let mut response = Response::new(Full::new(Bytes::from_static(b"{\"detail\":\"not now\"}")));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            if conduct == Conduct::NotExecuted {
                response
                    .headers_mut()
                    .insert(NOT_EXECUTED, http::HeaderValue::from_static("1"));
            }
            return Ok(response);
        }
    }
    Response::builder()
        .header("server", "secret-server/1.0")
        .header("x-tfauth-inside", "secret")
        .body(Full::new(Bytes::from(shared.name.clone())))
        .map_err(|_| "no response")
}

fn status(shared: &Shared) -> NodeStatus {
    NodeStatus {
        node_id: 1,
        name: shared.name.clone(),
        incarnation: format!("{:032x}", shared.incarnation.load(Ordering::SeqCst)),
        cluster_id: "c".repeat(32),
        term: 3,
        role: Role::Follower,
        leader_id: Some(1),
        committed: 10,
        applied: 9,
        last_quorum_ms: None,
        ready: shared.is_ready.load(Ordering::SeqCst),
        draining: false,
        in_flight: 0,
        version: "0.1.0".into(),
    }
}
