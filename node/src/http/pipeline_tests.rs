//! What surrounds the routes, over a real socket and a real one-member store.

use super::*;
use crate::http::ops::Ops;
use crate::http::server::{Patience, Server, bind};
use crate::replication::testing::single_node;
use crate::shutdown::{self, Stopper};
use auth_api::dialect_003::ErrorBody;
use axum::routing::{get, post};
use http::header::RETRY_AFTER;
use reqwest::Client;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

struct Fixture {
    http: SocketAddr,
    ops: SocketAddr,
    health: Health,
    signing_ready: Arc<AtomicBool>,
    client: Client,
    _stopper: Stopper,
    _dir: tempfile::TempDir,
}

async fn panics() -> &'static str {
    panic!("a secret of a handler")
}

async fn never() -> &'static str {
    std::future::pending().await
}

async fn fixture() -> Fixture {
    crate::tls::install_provider();
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let (stopper, stop) = shutdown::channel();
    tokio::spawn(replication.clone().keep_pulse(stop.clone()));
    let signing_ready = Arc::new(AtomicBool::new(true));
    let ready = Arc::clone(&signing_ready);
    let health = Health::new(replication, move || ready.load(Ordering::SeqCst));
    let metrics = Metrics::new().unwrap();
    let router = Router::new()
        .route(
            "/hello/{name}",
            get(|context: RequestContext| async move { context.request_id }),
        )
        .route(
            "/length",
            post(|body: Body| async move {
                // As extractors do: what the limit says arrives as an error of the body.
                match axum::body::to_bytes(body, usize::MAX).await {
                    Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
                    Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, String::new()),
                }
            }),
        )
        .route("/panics", get(panics))
        .route("/never", get(never));
    let pipeline = Pipeline::new(
        router,
        health.clone(),
        metrics.clone(),
        Duration::from_millis(300),
        false,
    );
    let http = listen(pipeline, stop.clone()).await;
    let ops = listen(Ops::new(health.clone(), metrics), stop).await;
    let client = Client::builder().no_proxy().build().unwrap();
    Fixture {
        http,
        ops,
        health,
        signing_ready,
        client,
        _stopper: stopper,
        _dir: dir,
    }
}

async fn listen(answer: impl Answer, stop: shutdown::Stop) -> SocketAddr {
    let listener = bind("http.listen", (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server {
        listener,
        tls: None,
        connections_max: 16,
        patience: Patience::default(),
        metrics: None,
    };
    tokio::spawn(server.serve(answer, stop, Duration::from_secs(1)));
    address
}

impl Fixture {
    async fn get(&self, path: &str) -> reqwest::Response {
        self.client
            .get(format!("http://{}{path}", self.http))
            .send()
            .await
            .unwrap()
    }

    async fn ops(&self, path: &str) -> (u16, String) {
        let answer = self
            .client
            .get(format!("http://{}{path}", self.ops))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_refused_whether_announced_or_not() {
    let fixture = fixture().await;
    let url = format!("http://{}/length", fixture.http);
    let at_limit = fixture
        .client
        .post(&url)
        .body(vec![b'x'; BODY_BYTES_MAX])
        .send()
        .await
        .unwrap();
    assert_eq!(at_limit.status(), 200);
    let announced = fixture
        .client
        .post(&url)
        .body(vec![b'x'; BODY_BYTES_MAX + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(announced.status(), 413);
    assert_eq!(
        announced.json::<ErrorBody>().await.unwrap().detail,
        "The body is larger than 64 KiB"
    );

    // Chunked, so that nothing announces the length.
    let mut raw = tokio::net::TcpStream::connect(fixture.http).await.unwrap();
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let head = "POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    raw.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..17 {
        raw.write_all(b"1000\r\n").await.unwrap();
        raw.write_all(&[b'x'; 0x1000]).await.unwrap();
        raw.write_all(b"\r\n").await.unwrap();
    }
    let mut answer = [0; 12];
    raw.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_one_500_without_its_message_and_the_connection_lives() {
    let fixture = fixture().await;
    let answer = fixture.get("/panics").await;
    assert_eq!(answer.status(), 500);
    for (name, value) in security_headers::SECURITY_HEADERS {
        assert_eq!(answer.headers()[&name], value, "se_8: {name}");
    }
    assert_eq!(answer.json::<ErrorBody>().await.unwrap().detail, "Internal error");
    assert_eq!(fixture.get("/hello/again").await.status(), 200);
    assert_eq!(fixture.health.in_flight(), 0);
    let (_, metrics) = fixture.ops("/metrics").await;
    for line in [
        "tfauth_node_request_panics_total 1",
        r#"tfauth_node_requests_total{method="GET",route="/hello/{name}",status="200"} 1"#,
        r#"tfauth_node_requests_total{method="GET",route="/panics",status="500"} 1"#,
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_a_page_instead() {
    let fixture = fixture().await;
    let url = format!("http://{}/panics", fixture.http);
    let answer = fixture
        .client
        .get(url)
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    let page = answer.text().await.unwrap();
    assert!(
        page.starts_with("<!") && !page.contains("a secret of a handler"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_is_answered_for_and_never_called_not_executed() {
    let fixture = fixture().await;
    let answer = fixture.get("/never").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    assert!(
        !answer.headers().contains_key(headers::NOT_EXECUTED),
        "nobody knows what it did"
    );
    assert_eq!(fixture.health.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_sends_requests_elsewhere_and_still_answers_probes() {
    let fixture = fixture().await;
    assert_eq!(fixture.get("/hello/x").await.status(), 200);
    fixture.health.start_draining();
    let answer = fixture.get("/hello/x").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[headers::NOT_EXECUTED], "1");
    let status: auth_api::status::NodeStatus = fixture.get(paths::INTERNAL_STATUS).await.json().await.unwrap();
    assert!(status.draining && !status.ready);
    let (code, body) = fixture.ops("/readyz").await;
    assert_eq!(code, 503);
    assert!(body.contains("draining"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_what_they_ask_and_nothing_else() {
    let fixture = fixture().await;
    assert_eq!(fixture.ops("/livez").await, (200, "ok".into()));
    // The clock is compared with a quorum's soon after the start.
    let patience = tokio::time::Instant::now() + Duration::from_secs(10);
    let ready = (200, r#"{"ready":true,"reasons":[]}"#.to_owned());
    loop {
        let seen = fixture.ops("/readyz").await;
        if seen == ready {
            break;
        }
        assert!(tokio::time::Instant::now() < patience, "{seen:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fixture.signing_ready.store(false, Ordering::SeqCst);
    let (code, body) = fixture.ops("/readyz").await;
    assert!(code == 503 && body.contains("signing key"), "{body}");
    let (code, body) = fixture.ops("/status").await;
    let status: auth_api::status::NodeStatus = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (code, status.node_id, status.name.as_str(), status.ready),
        (200, 1, "node-1", false)
    );
    assert_eq!(fixture.ops("/hello/x").await.0, 404);
    let post = fixture
        .client
        .post(format!("http://{}/livez", fixture.ops))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 405);
    assert_eq!(
        fixture.get(paths::METRICS).await.status(),
        404,
        "numbers are for operators only"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_of_the_load_balancer_reach_the_handler() {
    let fixture = fixture().await;
    let id = "000102030405060708090a0b0c0d0e0f";
    let url = format!("http://{}/hello/x", fixture.http);
    let answer = fixture
        .client
        .get(url)
        .header(headers::REQUEST_ID, id)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), id);
}
