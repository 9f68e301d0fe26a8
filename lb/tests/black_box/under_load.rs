//! What operators do while clients are busy: no request and no handshake may fail by it.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::support::client::Client;
use crate::support::node::Node;
use crate::support::pki::Pki;
use crate::support::program::{Options, Program};
use crate::support::{cluster, until};

const CLIENTS: usize = 6;

/// Clients that do the same again and again until told to stop, and count.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    fn start<F, W>(work: W) -> Self
    where
        W: Fn(Arc<AtomicBool>, Arc<AtomicUsize>) -> F,
        F: Future<Output = Vec<String>> + Send + 'static,
    {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(work(Arc::clone(&stop), Arc::clone(&done)));
        }
        Self { stop, done, clients }
    }

    /// Waits until the clients did this much more.
    async fn more(&self, count: usize) {
        let goal = self.done.load(Ordering::Relaxed) + count;
        until("the clients go on", || async {
            self.done.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    /// Ends the load; what failed.
    async fn failures(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.clients.join_all().await.concat();
        (self.done.load(Ordering::Relaxed), failures)
    }
}

/// A new connection for each request.
async fn shake_hands(client: Client, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Vec<String> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // A task of its own, so that what fails in it is counted and not the end of the test.
        let client = client.clone();
        let answer = tokio::spawn(async move { client.get("/").await.status.as_u16() }).await;
        match answer {
            Ok(200) => _ = done.fetch_add(1, Ordering::Relaxed),
            Ok(status) => failures.push(status.to_string()),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

/// Connections are kept as long as the other side wants, which is how clients of an API behave.
async fn keep_asking(client: Client, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Vec<String> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = one_connection(&client, &stop, &done).await {
            failures.push(error);
        }
    }
    failures
}

async fn one_connection(client: &Client, stop: &AtomicBool, done: &AtomicUsize) -> Result<(), String> {
    let client = client.clone();
    let stream = tokio::spawn(async move { client.connect().await })
        .await
        .map_err(|error| format!("no connection: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut count = 0_usize;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let (method, target) = if count.is_multiple_of(4) {
            (Method::POST, "/v1/accounts")
        } else {
            (Method::GET, "/")
        };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(b"{}")))
            .map_err(|error| error.to_string())?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| format!("request {count} of a connection: {error}"))?;
        let (head, body) = answer.into_parts();
        body.collect().await.map_err(|error| format!("body: {error}"))?;
        if head.status.as_u16() != 200 {
            return Err(head.status.to_string());
        }
        done.fetch_add(1, Ordering::Relaxed);
        if head.headers.get("connection").is_some_and(|value| value == "close") {
            return Ok(());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_swapped_under_load_without_a_failed_handshake() {
    let cluster = cluster(1).await;
    // A resumed session shows no certificate: every connection is to shake hands in full.
    let mut tls = rustls::ClientConfig::clone(&cluster.pki.client_tls());
    tls.resumption = rustls::client::Resumption::disabled();
    let client = Client::new(cluster.lb.front, Arc::new(tls));
    let load = Load::start(|stop, done| shake_hands(client.clone(), stop, done));
    for round in 0..8 {
        load.more(20).await;
        // Certificate and key change one after the other: for a moment they do not match.
        let (certificate, key) = cluster.pki.authority.issue(&["localhost"]);
        cluster.pki.write("front.pem", &certificate);
        if round % 2 == 0 {
            cluster.lb.signal("HUP");
            load.more(5).await;
        }
        cluster.pki.write("front.key", &key);
        cluster.lb.signal("HUP");
        until("the new certificate is shown", || async {
            let stream = client.connect().await;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            shown.is_some_and(|shown| is_the_same(shown, &certificate))
        })
        .await;
    }
    let (shaken, failures) = load.failures().await;
    assert!(failures.is_empty(), "{} of {shaken}: {failures:?}", failures.len());
}

fn is_the_same(shown: &[u8], pem: &str) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|certificate| certificate.as_ref() == shown)
}

/// HAProxy as the layer-4 balancer of a cloud: it looks at readiness and forwards bytes.
struct Balancer {
    process: Child,
    _folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Balancer {
    fn start(balancers: &[&Program]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let mut text = format!(
            "defaults\n mode tcp\n timeout connect 1s\n timeout client 60s\n timeout server 60s\n\
             listen front\n bind {address}\n balance roundrobin\n option httpchk GET /readyz\n option redispatch\n retries 3\n\
             default-server inter 200ms fall 2 rise 1\n"
        );
        for (index, program) in balancers.iter().enumerate() {
            let (front, ops) = (program.front, program.ops_address());
            text += &format!(
                " server lb-{index} {front} check addr {} port {}\n",
                ops.ip(),
                ops.port()
            );
        }
        let config = folder.path().join("haproxy.cfg");
        std::fs::write(&config, text).expect("written");
        let process = Command::new("haproxy")
            .arg("-f")
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()
            .expect("haproxy is installed: `infra/dev test` does it");
        Self {
            process,
            _folder: folder,
            address,
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_behind_a_tcp_balancer_fails_no_request() {
    let pki = Pki::new();
    let node = Node::start(&pki.authority, &pki, "node-1").await;
    let nodes = [node];
    let options = || Options {
        drain_min_ms: 2_000,
        ..Options::default()
    };
    let mut leaving = Program::start(&pki, &nodes, options()).await;
    let staying = Program::start(&pki, &nodes, options()).await;
    leaving.until_ready_nodes(1).await;
    staying.until_ready_nodes(1).await;
    let balancer = Balancer::start(&[&leaving, &staying]);
    until("the balancer listens", || async {
        tokio::net::TcpStream::connect(balancer.address).await.is_ok()
    })
    .await;

    let client = Client::new(balancer.address, pki.client_tls());
    let load = Load::start(|stop, done| keep_asking(client.clone(), stop, done));
    load.more(200).await;
    leaving.signal("TERM");
    assert_eq!(leaving.ended().await.code(), Some(0));
    load.more(200).await;
    let (answered, failures) = load.failures().await;
    assert!(failures.is_empty(), "{} of {answered}: {failures:?}", failures.len());
    let left = leaving.log().iter().filter(|line| line.contains("\"route\"")).count();
    assert!(left > 0, "the one that left was used before: {:?}", leaving.log());
}
