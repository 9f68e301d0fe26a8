//! What is not let in, and how that is told.

use http::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{PATIENCE, cluster, cluster_with, until};

const BODY_MAX: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_64_kib_is_refused_before_any_node_sees_it() {
    let cluster = cluster(1).await;
    let largest = cluster.lb.client().post("/v1/accounts", vec![b'x'; BODY_MAX]).await;
    assert_eq!(largest.status, 200);
    assert_eq!(cluster.nodes[0].seen()[0].body.len(), BODY_MAX);

    let answer = cluster.lb.client().post("/v1/accounts", vec![b'x'; BODY_MAX + 1]).await;
    assert_eq!(answer.status, 413);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(body["detail"].is_string(), "{body}");

    let mut chunked = b"POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..65 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'x'; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    let (answer, _) = cluster.lb.client().raw_to_end(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(cluster.nodes[0].seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_arrives_whole_and_with_its_length() {
    let cluster = cluster(1).await;
    let request =
        b"POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
        3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let (answer, is_closed) = cluster.lb.client().raw_to_end(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && is_closed, "{answer}");
    let seen = &cluster.nodes[0].seen()[0];
    assert_eq!(seen.body, "abcdefg");
    assert_eq!(seen.headers["content-length"], "7");
    assert!(!seen.headers.contains_key("transfer-encoding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let cluster = cluster(1).await;
    let mut stream = cluster.lb.client().connect().await;
    let head = b"POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.expect("sent");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 200");
    assert!(!cluster.nodes[0].seen()[0].headers.contains_key("expect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_here_is_told_and_no_node_is_asked() {
    let cluster = cluster(1).await;
    let client = cluster.lb.client();
    let wrong_host = client
        .send(Request::get("/").header("host", "evil.example.com"), "")
        .await;
    assert_eq!(wrong_host.status, 421);
    assert!(!wrong_host.header("x-request-id").is_empty());
    for (target, status) in [
        ("/internal/v1/status", 404),
        ("/metrics", 404),
        ("/%69nternal/v1/status", 404),
        ("/wp-login.php", 404),
        ("/v1/unknown", 404),
        ("/a/../internal/v1/status", 400),
        ("/a//b", 400),
        ("/a%2fb", 400),
        ("/a%00b", 400),
    ] {
        let answer = client.get(target).await;
        assert_eq!(answer.status, status, "{target}");
        // SE-8 holds for what the load balancer says itself, too.
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{target}: {name}");
        }
        for directive in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(
                answer.header("content-security-policy").contains(directive),
                "{target}: {directive}"
            );
        }
    }
    let trace = client.send(Request::builder().method("TRACE").uri("/"), "").await;
    assert_eq!(trace.status, 405);
    assert_eq!(trace.header("allow"), "GET, HEAD");
    assert_eq!(
        client.post("/v1/sessions", "{}").await.header("allow"),
        "GET, HEAD, DELETE"
    );
    assert!(cluster.nodes[0].seen().is_empty());
}

/// A surface as its clients know it: paths for nothing at all, for another method, and for a body; and its errors.
struct Words {
    unknown: &'static str,
    other_method: &'static str,
    post: &'static str,
    media_type: &'static str,
    /// Code and status of an error, as its shape has them; the whole body must be of the shape.
    read: fn(&Value) -> Option<(String, u64)>,
}

const SURFACES: [Words; 4] = [
    Words {
        unknown: "/v1/nothing",
        other_method: "/v1/login",
        post: "/v1/accounts",
        media_type: "application/problem+json",
        read: |body| {
            let has_all = ["type", "title", "detail", "trace_id"]
                .iter()
                .all(|name| body[name].is_string());
            has_all.then_some((body["code"].as_str()?.to_owned(), body["status"].as_u64()?))
        },
    },
    Words {
        unknown: "/auth/nothing/",
        other_method: "/auth/login/",
        post: "/auth/login/",
        media_type: "application/json",
        read: |body| sentence(body, "error"),
    },
    Words {
        unknown: "/api/v1/nothing",
        other_method: "/api/v1/user",
        post: "/api/v1/user",
        media_type: "application/json",
        read: |body| sentence(body, "detail"),
    },
    Words {
        unknown: "/api/auth/nothing",
        other_method: "/api/auth/login",
        post: "/api/auth/login",
        media_type: "application/json",
        read: |body| {
            let error = &body["error"];
            let is_portuguese = !error["message"].as_str()?.is_ascii();
            let kind = error["type"].as_str()?;
            let status = error["statusCode"].as_u64()?;
            let is_right = kind
                == if matches!(status, 404 | 405) {
                    "NotFound"
                } else {
                    "Validation"
                };
            (body["isSuccess"] == false && is_portuguese && is_right && error.get("details").is_none())
                .then_some((error["code"].as_str()?.trim_start_matches("auth.").to_owned(), status))
        },
    },
];

/// The one sentence of a shape that has nothing else.
fn sentence(body: &Value, field: &str) -> Option<(String, u64)> {
    let fields = body.as_object()?;
    (fields.len() == 1 && !fields.get(field)?.as_str()?.is_empty()).then_some((String::new(), 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dialect_is_refused_in_its_own_words() {
    let cluster = cluster(1).await;
    let client = cluster.lb.client();
    for words in &SURFACES {
        let path = words.post;
        let cases = [
            (404, "not_found", client.get(words.unknown).await),
            (
                405,
                "method_not_allowed",
                client.send(Request::put(words.other_method), "{}").await,
            ),
            (
                413,
                "body_too_large",
                client.post(words.post, vec![b'x'; BODY_MAX + 1]).await,
            ),
            (400, "invalid_request", client.get(&format!("{path}/../x")).await),
        ];
        for (status, code, answer) in cases {
            let (unknown, text) = (words.unknown, answer.text());
            assert_eq!(answer.status, status, "{unknown}: {text}");
            assert_eq!(answer.header("content-type"), words.media_type, "{unknown} {status}");
            let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let told = (words.read)(&body).unwrap_or_else(|| panic!("{unknown} {status} in other words: {body}"));
            if told != (String::new(), 0) {
                assert_eq!(told, (code.to_owned(), u64::from(status)), "{unknown}: {body}");
            }
        }
    }
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_floods_has_to_wait() {
    let cluster = cluster_with(
        1,
        Options {
            logins_per_minute: 3,
            ..Options::default()
        },
    )
    .await;
    let client = cluster.lb.client();
    for _ in 0..3 {
        assert_eq!(client.post("/v1/login", "{}").await.status, 200);
    }
    let refused = client.post("/v1/login", "{}").await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(
        client.get("/v1/account").await.status,
        200,
        "other requests are not affected"
    );
    assert_eq!(cluster.nodes[0].seen().len(), 4);
    let metrics = cluster.lb.ops("/metrics").await;
    assert!(
        metrics
            .text()
            .contains("tfauth_lb_rate_limited_total{limit=\"logins\"} 1"),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_on_top_does_not_turn_a_change_into_a_refusal() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let mut stream = cluster.lb.client().connect().await;
    stream
        .write_all(b"POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
        .await
        .expect("sent");
    until("the node works on it", || async { cluster.nodes[0].seen().len() == 1 }).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    // A reset after the answer is an end as well: the second request was not read.
    let reading = async { drop(stream.read_to_end(&mut answer).await) };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("closed after the answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("not known"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_may_finish_its_body() {
    let cluster = cluster(1).await;
    let mut stream = cluster.lb.client().connect().await;
    stream
        .write_all(b"POST /nope HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40000\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 404");
    let mut pieces = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..4 {
        pieces.tick().await;
        stream.write_all(&[b'x'; 10_000]).await.expect("taken");
        stream.flush().await.expect("taken");
    }
    stream.read_to_end(&mut answer).await.expect("closed in order");
}
