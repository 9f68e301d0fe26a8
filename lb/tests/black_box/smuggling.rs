//! Requests that two programs could read differently. Each must be refused or its connection closed, and no node may see
//! the request that hides in it.

use crate::support::cluster;

const HIDDEN: &str = "/v1/sessions";

/// Attempts; each carries a second request in what may or may not be its body.
const ATTEMPTS: [(&str, &str); 10] = [
    (
        "content-length and chunks",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "chunks and content-length",
        "transfer-encoding: chunked\r\ncontent-length: 40\r\n\r\n0\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "two lengths",
        "content-length: 0\r\ncontent-length: 44\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "two equal lengths",
        "content-length: 2\r\ncontent-length: 2\r\n\r\n{}GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "a list of lengths",
        "content-length: 0, 44\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "a signed length",
        "content-length: +2\r\n\r\n{}GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "a folded header",
        "x-a: b\r\n content-length: 44\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "an unknown coding",
        "transfer-encoding: xchunked\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "a space before the colon",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        "an upgrade",
        "connection: upgrade\r\nupgrade: websocket\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
];

fn statuses(answer: &str) -> Vec<&str> {
    answer
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|rest| rest.get(..3))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn se_12_ambiguous_requests_are_refused_and_hide_nothing() {
    let cluster = cluster(1).await;
    for (what, rest) in ATTEMPTS {
        let request = format!("POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\n{rest}");
        let answer = cluster.lb.client().raw(request.as_bytes()).await;
        let statuses = statuses(&answer);
        assert_eq!(statuses.len(), 1, "{what}: not exactly one answer: {answer}");
        assert!(
            statuses.iter().all(|status| status.starts_with('4')),
            "{what}: {answer}"
        );
    }
    let seen: Vec<String> = cluster.nodes[0].seen().into_iter().map(|seen| seen.target).collect();
    assert!(seen.is_empty(), "a node saw {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn se_12_chunks_over_http_1_0_are_refused() {
    let cluster = cluster(1).await;
    let request = "POST /v1/accounts HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = cluster.lb.client().raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_request_is_never_taken_for_a_body() {
    let cluster = cluster(1).await;
    let request = format!(
        "POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}GET {HIDDEN} HTTP/1.1\r\nhost: localhost\r\n\r\n"
    );
    cluster.lb.client().raw(request.as_bytes()).await;
    let seen = cluster.nodes[0].seen();
    assert_eq!(seen[0].body, "{}");
    // The second one is an honest request: it may be served as such or dropped with the connection.
    assert!(
        seen.iter()
            .skip(1)
            .all(|second| second.target == HIDDEN && second.body.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_in_the_target_is_refused() {
    let cluster = cluster(1).await;
    for target in [
        "http://localhost/",
        "https://evil.example.com/",
        "//evil.example.com/",
        "evil",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let answer = cluster.lb.client().raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
        assert_eq!(statuses(&answer).len(), 1, "{target}: {answer}");
    }
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_and_not_logged() {
    let cluster = cluster(1).await;
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "secret secret secret secret\r\n\r\n"] {
        let answer = cluster.lb.client().raw(garbage.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{garbage:?}: {answer}");
    }
    let mut plain = tokio::net::TcpStream::connect(cluster.lb.front)
        .await
        .expect("the front listens");
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    crate::support::until("the failed handshake is counted", || async {
        cluster
            .lb
            .ops("/metrics")
            .await
            .text()
            .contains("tfauth_lb_client_faults_total{kind=\"handshake\"} 1")
    })
    .await;
    assert!(
        !cluster
            .lb
            .log()
            .iter()
            .any(|line| line.contains("secret") || line.contains("Downstream"))
    );
}
