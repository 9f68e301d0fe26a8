//! Requests that are wrong get the dialect's error, and the service stays well.
#![cfg(test)]

use auth_api::dialect_003::{LOGIN, QRCODE, USER};
use auth_api::limits::BODY_BYTES_MAX;
use chaos_tests::api::{Answer, Api};
use cluster_harness::cluster::{Cluster, Options};

const JSON: Option<&str> = Some("application/json");

fn refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert!(
        !answer.text("detail").is_empty(),
        "{what}: the body says why: {}",
        answer.body
    );
    let kind = answer
        .headers
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{what}: {kind}");
    assert!(
        answer.headers.contains_key("x-request-id"),
        "{what}: the request has a name"
    );
}

#[tokio::test]
async fn wrong_requests_get_the_error_of_the_dialect() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    for url in cluster.urls() {
        let api = Api::new(client.clone(), &url);
        for path in [USER, QRCODE, LOGIN] {
            for (body, what) in malformed() {
                let answer = api.post_raw(path, JSON, body).await.unwrap();
                refused(&answer, 400, &format!("{what} to {path}"));
            }
            for kind in [Some("text/plain"), Some("application/x-www-form-urlencoded"), None] {
                let answer = api
                    .post_raw(path, kind, br#"{"username":"ana"}"#.to_vec())
                    .await
                    .unwrap();
                refused(&answer, 415, &format!("content type {kind:?} to {path}"));
            }
            let big = format!(r#"{{"username":"{}"}}"#, "a".repeat(BODY_BYTES_MAX));
            let answer = api.post_raw(path, JSON, big.into_bytes()).await.unwrap();
            refused(&answer, 413, &format!("a body over the limit to {path}"));
        }
        hidden_paths(&api).await;
        let nobody = chaos_tests::api::Person::new("nobody");
        refused(
            &api.log_in(&nobody, "000000").await.unwrap(),
            401,
            "nobody's login, after all that",
        );
    }
}

fn malformed() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (Vec::new(), "nothing"),
        (b"{".to_vec(), "half an object"),
        (b"[]".to_vec(), "an array"),
        (br#"{"username": 7}"#.to_vec(), "a number for a name"),
        (
            br#"{"username":"a","password":"b"} x"#.to_vec(),
            "something after the object",
        ),
        (b"{\"username\":\"\xff\"}".to_vec(), "bytes that are no text"),
    ]
}

/// What is for the load balancer and operators is not reached from outside.
async fn hidden_paths(api: &Api) {
    for path in [
        "/internal/v1/status",
        "/metrics",
        "/readyz",
        "/internal/../internal/v1/status",
    ] {
        let answer = api.post_raw(path, JSON, b"{}".to_vec()).await.unwrap();
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
}
