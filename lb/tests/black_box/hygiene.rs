//! What crosses the border between clients and nodes.

use http::Request;

use crate::support::{cluster, cluster_with, program::Options};

const OPERATION: &str = "x-tfauth-operation";

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test(flavor = "multi_thread")]
async fn th_7_a_client_cannot_speak_for_the_load_balancer() {
    let cluster = cluster(1).await;
    let request = Request::post("/v1/accounts?a=b%20c")
        .header("host", "localhost:8443")
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "evil.example.com")
        .header("forwarded", "for=1.2.3.4")
        .header("x-real-ip", "1.2.3.4")
        .header("x-request-id", "forged")
        .header(OPERATION, "forged")
        .header("x-tfauth-other", "forged")
        .header("connection", "x-kept, close")
        .header("x-kept", "no")
        .header("authorization", "Bearer kept")
        .header("idempotency-key", "kept");
    let answer = cluster.lb.client().send(request, "{\"a\":1}").await;
    assert_eq!(answer.status, 200);

    let seen = cluster.nodes[0].seen();
    assert_eq!(seen.len(), 1);
    let header = |name: &str| {
        seen[0]
            .headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    };
    assert_eq!(seen[0].target, "/v1/accounts?a=b%20c");
    assert_eq!(seen[0].body, "{\"a\":1}");
    assert_eq!(header("content-length"), "7");
    assert_eq!(header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(header("x-forwarded-proto"), "https");
    assert_eq!(header("x-forwarded-host"), "localhost:8443");
    assert_eq!(header("host"), "localhost:8443");
    assert_eq!(header("authorization"), "Bearer kept");
    assert_eq!(header("idempotency-key"), "kept");
    assert!(
        is_id(header("x-request-id")) && is_id(header(OPERATION)),
        "{:?}",
        seen[0].headers
    );
    assert!(header("traceparent").starts_with("00-"));
    for gone in ["forwarded", "x-real-ip", "x-tfauth-other", "x-kept"] {
        assert_eq!(header(gone), "", "{gone} came through");
    }
    assert_eq!(answer.header("x-request-id"), header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cannot_leak_its_inside_to_a_client() {
    let cluster = cluster(1).await;
    let answer = cluster
        .lb
        .client()
        .send(Request::get("/").header("host", "auth.example.com"), "")
        .await;
    assert_eq!(answer.text(), "node-1");
    assert_eq!(answer.header("server"), "");
    assert_eq!(answer.header("x-tfauth-inside"), "");
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    let local = cluster.lb.client().get("/").await;
    assert_eq!(
        local.header("strict-transport-security"),
        "",
        "localhost is shared with other services"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_requests_that_may_change_something_get_an_operation_id() {
    let cluster = cluster(1).await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            cluster
                .lb
                .client()
                .send(Request::builder().method(method).uri("/v1/admin/policy"), "")
                .await
                .status,
            200
        );
    }
    for seen in cluster.nodes[0].seen() {
        let expected = !["GET", "HEAD"].contains(&seen.method.as_str());
        assert_eq!(seen.headers.contains_key(OPERATION), expected, "{}", seen.method);
    }
    let ids: std::collections::HashSet<_> = cluster.nodes[0]
        .seen()
        .iter()
        .map(|seen| seen.headers["x-request-id"].clone())
        .collect();
    assert_eq!(ids.len(), 6, "a request id was used twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_line_names_the_request_and_no_secret() {
    let cluster = cluster_with(1, Options::default()).await;
    let answer = cluster
        .lb
        .client()
        .post("/v1/login?token=querysecret", "{\"password\":\"bodysecret\"}")
        .await;
    let id = answer.header("x-request-id").to_string();
    crate::support::until("the access line is there", || async {
        cluster
            .lb
            .log()
            .iter()
            .any(|line| line.contains("\"target\":\"access\"") && line.contains(&id))
    })
    .await;
    let log = cluster.lb.log();
    let line = log.iter().find(|line| line.contains(&id)).expect("just seen");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["method"], "POST");
    assert_eq!((&line["route"], &line["class"]), (&"/v1/login".into(), &"login".into()));
    assert_eq!(line["status"], 200);
    assert_eq!(line["node"], "node-1");
    assert_eq!(line["attempts"], 1);
    assert!(line["duration_ms"].is_number() && line["node_ms"].is_number(), "{line}");
    assert_eq!(
        (&line["version"], &line["tls"]),
        (&"HTTP/1.1".into(), &"TLSv1_3".into())
    );
    let told = cluster.nodes[0].seen()[0].headers["traceparent"]
        .to_str()
        .expect("text")
        .to_string();
    assert_eq!(line["traceparent"], told);
    assert!(!log.iter().any(|line| line.contains("secret")), "{log:?}");
}
