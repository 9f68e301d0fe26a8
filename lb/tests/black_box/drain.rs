//! How the program leaves.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::last_answer;
use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{Cluster, cluster_with, until};

/// A cluster with one request that its node works on until it is told to finish.
async fn with_request_in_flight(options: Options) -> (Cluster, tokio::task::JoinHandle<u16>) {
    let cluster = cluster_with(1, options).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let client = cluster.lb.client().clone();
    let request = tokio::spawn(async move { client.post("/v1/accounts", "{}").await.status.as_u16() });
    until("the node works on it", || async { cluster.nodes[0].seen().len() == 1 }).await;
    (cluster, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_in_flight_and_exits_with_0() {
    let (mut cluster, request) = with_request_in_flight(Options::default()).await;
    cluster.lb.signal("TERM");
    until("nobody listens any more", || async {
        TcpStream::connect(cluster.lb.front).await.is_err()
    })
    .await;
    assert!(!request.is_finished());
    cluster.nodes[0].go();
    assert_eq!(request.await.expect("no panic"), 200);
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_draining_readiness_is_denied_and_requests_are_still_served() {
    let options = Options {
        drain_min_ms: 60_000,
        drain_max_ms: 60_000,
        ..Options::default()
    };
    let mut cluster = cluster_with(1, options).await;
    let mut kept = cluster.lb.client().connect().await;
    cluster.lb.signal("TERM");
    until("readiness is denied", || async {
        cluster.lb.ops("/readyz").await.status == 503
    })
    .await;
    let readiness = cluster.lb.ops("/readyz").await;
    assert_eq!(readiness.text(), "{\"ready\":false,\"reasons\":[\"draining\"]}");
    assert_eq!(cluster.lb.client().get("/").await.status, 200);

    last_answer(&mut kept).await;

    // A second SIGTERM: enough have noticed.
    cluster.lb.signal("TERM");
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_made_in_time_gets_its_answer_after_the_listener_is_gone() {
    let mut cluster = cluster_with(1, Options::default()).await;
    let client = cluster.lb.client().clone();
    let (mut first, mut second) = (client.connect().await, client.connect().await);
    cluster.lb.signal("TERM");
    until("nobody listens any more", || async {
        TcpStream::connect(cluster.lb.front).await.is_err()
    })
    .await;
    for stream in [&mut first, &mut second] {
        last_answer(stream).await;
    }
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_told_the_end_and_do_not_hold_up_a_drain() {
    let mut cluster = cluster_with(1, Options::default()).await;
    let client = cluster.lb.client().clone();
    let (mut fresh, mut kept) = (client.connect().await, client.connect().await);
    kept.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    let start = Instant::now();
    cluster.lb.signal("TERM");
    let mut rest = Vec::new();
    // An end without TLS's closing words would be an error here.
    kept.read_to_end(&mut rest).await.expect("closed in order");
    assert_eq!(fresh.read_to_end(&mut rest).await.expect("closed in order"), 0);
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(9), "the drain's limit is ten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_at_its_limit() {
    let options = Options {
        drain_max_ms: 500,
        ..Options::default()
    };
    let (mut cluster, _request) = with_request_in_flight(options).await;
    cluster.lb.signal("TERM");
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_ends_at_once_even_in_the_middle_of_a_drain() {
    let options = Options {
        drain_min_ms: 60_000,
        drain_max_ms: 60_000,
        ..Options::default()
    };
    let (mut cluster, _request) = with_request_in_flight(options).await;
    cluster.lb.signal("TERM");
    until("it drains", || async { cluster.lb.status().await["draining"] == true }).await;
    let start = Instant::now();
    cluster.lb.signal("INT");
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
}
