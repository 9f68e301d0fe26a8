//! Nodes die, hesitate and come back; clients notice a pause at most.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::Request;

use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{cluster, cluster_with, until};

const OPERATION: &str = "x-tfauth-operation";

/// Sends POSTs until node 1 has seen one, and checks that each was answered by node 2.
async fn post_until_the_first_node_saw_one(cluster: &crate::support::Cluster) -> String {
    for attempt in 0..200 {
        let body = format!("{{\"attempt\":{attempt}}}");
        let answer = cluster.lb.client().post("/v1/accounts", body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "node-2"), "{answer:?}");
        if !cluster.nodes[0].seen().is_empty() {
            return body;
        }
    }
    String::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_node_dies_is_done_by_another_as_the_same_operation() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::Die);
    let body = post_until_the_first_node_saw_one(&cluster).await;

    let died = &cluster.nodes[0].seen()[0];
    let done = cluster.nodes[1]
        .seen()
        .into_iter()
        .find(|seen| seen.body == body)
        .expect("repeated");
    assert_eq!(done.body, died.body);
    assert_eq!(done.target, died.target);
    assert_eq!(done.headers[OPERATION], died.headers[OPERATION]);
    assert_eq!(done.headers["x-request-id"], died.headers["x-request-id"]);
    assert_eq!(done.headers["content-length"], died.headers["content-length"]);
    let metrics = cluster.lb.ops("/metrics").await;
    assert!(
        metrics.text().contains("tfauth_lb_retries_total{reason=\"broken\"}"),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_repeated_byte_for_byte() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::Die);
    let body: Vec<u8> = (0..64 * 1024)
        .map(|index: u32| u8::try_from(index % 251).expect("small"))
        .collect();
    for _ in 0..200 {
        assert_eq!(
            cluster.lb.client().post("/v1/accounts", body.clone()).await.text(),
            "node-2"
        );
        if let Some(died) = cluster.nodes[0].seen().first() {
            assert_eq!(died.body, body);
            break;
        }
    }
    assert!(!cluster.nodes[0].seen().is_empty());
    assert!(cluster.nodes[1].seen().iter().all(|seen| seen.body == body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_did_nothing_passes_the_request_on() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::NotExecuted);
    post_until_the_first_node_saw_one(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_tell_the_outcome_is_asked_about_it_elsewhere() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::OpenOutcome);
    post_until_the_first_node_saw_one(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_costs_one_try_only() {
    let cluster = cluster_with(
        2,
        Options {
            try_ms: 300,
            ..Options::default()
        },
    )
    .await;
    cluster.nodes[0].behave(Conduct::Hang);
    post_until_the_first_node_saw_one(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_of_three_nodes_costs_no_request() {
    let cluster = cluster(3).await;
    let client = cluster.lb.client().clone();
    let traffic = tokio::spawn(async move {
        let mut answered: HashMap<String, u32> = HashMap::new();
        for round in 0..300 {
            let answer = client.post("/v1/accounts", format!("{round}")).await;
            assert_eq!(answer.status, 200, "request {round}: {answer:?}");
            *answered.entry(answer.text().to_string()).or_default() += 1;
        }
        answered
    });
    until("traffic reaches node 1", || async {
        cluster.nodes[0].seen().len() > 10
    })
    .await;
    cluster.nodes[0].kill().await;
    let answered = traffic.await.expect("no request failed");
    assert!(
        answered.values().sum::<u32>() == 300 && answered.len() == 3,
        "{answered:?}"
    );
    let status = cluster.lb.status().await;
    assert_eq!(status["nodes"][0]["up"], false, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nodes_a_request_waits_and_then_gets_an_honest_503() {
    let options = Options {
        try_ms: 300,
        request_ms: 700,
        ..Options::default()
    };
    let cluster = cluster_with(2, options).await;
    for node in &cluster.nodes {
        node.kill().await;
    }
    let start = Instant::now();
    let answer = cluster.lb.client().post("/v1/accounts", "{}").await;
    let took = start.elapsed();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("Nothing was changed")),
        "{body}"
    );
    assert!(took >= Duration::from_millis(600), "gave up after {took:?}");

    let page = cluster
        .lb
        .client()
        .send(Request::get("/login").header("accept", "text/html,*/*;q=0.8"), "")
        .await;
    assert_eq!(page.status, 503);
    assert!(page.text().starts_with("<!doctype html>"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_held_for_its_whole_deadline() {
    let options = Options {
        hold_ms: 300,
        ..Options::default()
    };
    let deadline = Duration::from_millis(options.request_ms);
    let cluster = cluster_with(1, options).await;
    cluster.nodes[0].kill().await;
    let start = Instant::now();
    let answer = cluster.lb.client().post("/v1/accounts", "{}").await;
    let took = start.elapsed();
    assert_eq!(answer.status, 503);
    assert!(
        took >= Duration::from_millis(250) && took < deadline / 2,
        "gave up after {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_outcome_is_never_called_a_failure() {
    let cluster = cluster_with(
        1,
        Options {
            try_ms: 300,
            request_ms: 700,
            ..Options::default()
        },
    )
    .await;
    cluster.nodes[0].behave(Conduct::Hang);
    let answer = cluster.lb.client().post("/v1/accounts", "{}").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("outcome of this request is not known"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_a_node_that_comes_back() {
    let cluster = cluster(1).await;
    cluster.nodes[0].kill().await;
    let client = cluster.lb.client().clone();
    let waiting = tokio::spawn(async move { client.post("/v1/accounts", "{}").await });
    until("the request waits", || async { cluster.lb.status().await["held"] == 1 }).await;
    assert!(!waiting.is_finished());
    cluster.nodes[0].restart().await;
    let answer = waiting.await.expect("no panic");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "node-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_ready_gets_no_request() {
    let cluster = cluster(2).await;
    cluster.nodes[0].set_ready(false);
    cluster.lb.until_ready_nodes(1).await;
    for _ in 0..20 {
        assert_eq!(cluster.lb.client().get("/").await.text(), "node-2");
    }
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_node_gets_no_more_while_another_is_free() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let client = cluster.lb.client().clone();
    let mut waiting = Vec::new();
    while cluster.nodes[0].seen().is_empty() {
        let client = client.clone();
        waiting.push(tokio::spawn(async move { client.get("/").await }));
        until("the request arrived", || async {
            cluster.nodes.iter().map(|node| node.seen().len()).sum::<usize>() >= waiting.len()
        })
        .await;
    }
    until("only the busy node has work", || async {
        let status = cluster.lb.status().await;
        status["nodes"][0]["in_flight"] == 1 && status["nodes"][1]["in_flight"] == 0
    })
    .await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "node-2", "the busy node was picked");
    }
    assert_eq!(cluster.nodes[0].seen().len(), 1, "the busy node was picked");
    cluster.nodes[0].go();
    for answer in waiting {
        assert_eq!(answer.await.expect("no panic").status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_outcome_is_passed_on_when_no_other_node_is_left_to_ask() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::OpenOutcome);
    let answer = cluster.lb.client().post("/v1/accounts", "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.text(), "{\"detail\":\"not now\"}");
    assert_eq!(cluster.nodes[0].seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_executes_is_offered_until_its_deadline() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::NotExecuted);
    let client = cluster.lb.client().clone();
    let waiting = tokio::spawn(async move { client.post("/v1/accounts", "{}").await });
    until("it was offered again", || async { cluster.nodes[0].seen().len() > 1 }).await;
    cluster.nodes[0].behave(Conduct::Answer);
    let answer = waiting.await.expect("no panic");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "node-1"));
}
