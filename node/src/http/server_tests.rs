//! The accept loop over real sockets, in plain text where TLS is not the point.

use super::*;
use crate::shutdown::{self, Stopper};
use crate::tls::testing::Authority;
use crate::tls::{http_server, node_name, peer_client};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

const GET: &[u8] = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";
/// Longest time to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with the path; `/slow` says that it has begun, and waits for a permit.
#[derive(Clone)]
struct Echo {
    begun: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl Answer for Echo {
    async fn answer(&self, request: Request<Incoming>, _peer: IpAddr) -> Response<Body> {
        if request.uri().path() == "/slow" {
            self.begun.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
        }
        Response::new(Body::from(request.uri().path().to_owned()))
    }
}

struct Fixture {
    address: SocketAddr,
    metrics: Metrics,
    begun: Arc<Semaphore>,
    gate: Arc<Semaphore>,
    stopper: Stopper,
    running: JoinHandle<()>,
}

async fn serve(tls: Option<Arc<rustls::ServerConfig>>, connections_max: usize, patience: Patience) -> Fixture {
    let listener = bind("http.listen", (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new().unwrap();
    let server = Server {
        listener,
        tls,
        connections_max,
        patience,
        metrics: Some(metrics.clone()),
    };
    let (stopper, stop) = shutdown::channel();
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let echo = Echo {
        begun: Arc::clone(&begun),
        gate: Arc::clone(&gate),
    };
    let running = tokio::spawn(server.serve(echo, stop, PATIENCE));
    Fixture {
        address,
        metrics,
        begun,
        gate,
        stopper,
        running,
    }
}

/// Reads until the answer's body ends with `end`, or the connection does.
async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&seen).ends_with(end) {
            if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the answer comes");
    String::from_utf8(seen).unwrap()
}

/// Waits until the server has closed the connection.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the server closes the connection");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = serve(None, 4, Patience::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        let answer = read_until(&mut stream, "/hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(!answer.to_lowercase().contains("server:"), "no banner: {answer}");
    }
}

#[tokio::test]
async fn too_many_connections_are_closed_at_once() {
    let server = serve(None, 1, Patience::default()).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(GET).await.unwrap();
    read_until(&mut first, "/hello").await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    closed(&mut second).await;
    assert_eq!(
        server
            .metrics
            .connections_refused
            .with_label_values(&["too_many"])
            .get(),
        1
    );
    assert_eq!(server.metrics.connections.get(), 1);
    drop(first);
    // The slot is free again as soon as the server sees the end of the first one.
    let served = async {
        loop {
            let mut third = TcpStream::connect(server.address).await.unwrap();
            third.write_all(GET).await.unwrap();
            if read_until(&mut third, "/hello").await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, served)
        .await
        .expect("a closed connection makes room");
}

#[tokio::test]
async fn a_slow_header_is_cut_off_and_silence_between_requests_is_not() {
    let patience = Patience {
        header: Duration::from_millis(100),
        ..Patience::default()
    };
    let server = serve(None, 4, patience).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "/hello").await;
    let silent = tokio::time::timeout(patience.header * 3, stream.read_u8()).await;
    assert!(silent.is_err(), "an idle connection stays");
    stream.write_all(b"GET /hel").await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let patience = Patience {
        idle: Duration::from_millis(100),
        ..Patience::default()
    };
    let server = serve(None, 4, patience).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "/hello").await;
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let tls = http_server(&Authority::cached().node("node-1")).unwrap();
    let patience = Patience {
        handshake: Duration::from_millis(100),
        ..Patience::default()
    };
    let server = serve(Some(tls), 4, patience).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    closed(&mut silent).await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(GET).await.unwrap();
    closed(&mut plain).await;
    let refused = |reason| server.metrics.connections_refused.with_label_values(&[reason]).get();
    assert_eq!((refused("tls_timeout"), refused("tls")), (1, 1));
}

#[tokio::test]
async fn requests_are_answered_over_mutual_tls() {
    let authority = Authority::cached();
    let server = serve(
        Some(http_server(&authority.node("node-1")).unwrap()),
        4,
        Patience::default(),
    )
    .await;
    let connector = TlsConnector::from(peer_client(&authority.lb()).unwrap());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from(node_name("node-1")).unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert!(read_until(&mut stream, "/hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn se_12_requests_whose_end_is_in_doubt_end_the_connection() {
    let server = serve(None, 4, Patience::default()).await;
    let second = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for (head, expected) in [
        (
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "200",
        ),
        (
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "400",
        ),
        (
            "POST /a HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("GET /a HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{head}{second}").as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "/smuggled").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")) || answer.starts_with(&format!("HTTP/1.0 {expected}")),
            "{head}: {answer}"
        );
        assert!(!answer.contains("/smuggled"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn an_orderly_stop_finishes_what_was_begun() {
    let server = serve(None, 4, Patience::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(GET).await.unwrap();
    read_until(&mut idle, "/hello").await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.begun.acquire().await.unwrap().forget();
    server.stopper.stop();
    closed(&mut idle).await;
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody new is let in"
    );
    server.gate.add_permits(1);
    assert!(read_until(&mut busy, "/slow").await.starts_with("HTTP/1.1 200"));
    tokio::time::timeout(PATIENCE, server.running)
        .await
        .expect("the server ends")
        .unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = bind("http.listen", (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind("http.listen", address).await.unwrap_err().to_string();
    assert!(
        error.contains("http.listen") && error.contains(&address.to_string()),
        "{error}"
    );
}
