//! Clients that are too many or too slow.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{PATIENCE, cluster, cluster_with, until};

/// All time limits on clients are ten seconds; with some more for a busy machine.
pub(crate) const CUT_OFF: std::ops::Range<Duration> = Duration::from_secs(8)..Duration::from_secs(16);

/// Reads to the end and tells what came.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset is an end as well.
    let reading = async { drop(stream.read_to_end(&mut answer).await) };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is cut off");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_cut_off_however_it_drips() {
    let cluster = cluster(1).await;
    let stream = cluster.lb.client().connect().await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let start = Instant::now();
    let dripping = tokio::spawn(async move {
        writing
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: ")
            .await
            .expect("sent");
        let mut drips = tokio::time::interval(Duration::from_millis(200));
        loop {
            drips.tick().await;
            if writing.write_all(b"x").await.is_err() || writing.flush().await.is_err() {
                return;
            }
        }
    });
    let answer = rest(&mut reading).await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    dripping.abort();
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_cut_off_long_before_it_fills_the_memory() {
    let cluster = cluster(1).await;
    let stream = cluster.lb.client().connect().await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: {}", "x".repeat(100 * 1024));
        // The other side may close before it has everything.
        let _ = writing.write_all(head.as_bytes()).await;
        let _ = writing.flush().await;
        writing
    });
    let answer = rest(&mut reading).await;
    assert!(
        start.elapsed() < CUT_OFF.start,
        "only the time ended it: {:?}",
        start.elapsed()
    );
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    drop(sending.await);
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_of_http_2_that_drips_is_cut_off() {
    let cluster = cluster(1).await;
    let stream = cluster.lb.client().connect_with("h2").await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let start = Instant::now();
    let dripping = tokio::spawn(async move {
        let mut drips = tokio::time::interval(Duration::from_millis(900));
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
            drips.tick().await;
            if writing.write_all(&[*byte]).await.is_err() || writing.flush().await.is_err() {
                return;
            }
        }
    });
    let _settings_or_nothing = rest(&mut reading).await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
    dripping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_rest_between_two_requests() {
    let cluster = cluster(1).await;
    let mut stream = cluster.lb.client().connect().await;
    for round in 0..2 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"node-1") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.expect("an answer");
            assert!(length > 0, "closed in round {round}");
            answer.extend_from_slice(&piece[..length]);
        }
        if round == 0 {
            // Longer than a head may take: that clock must have stopped.
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let cluster = cluster(1).await;
    let start = Instant::now();
    let mut silent = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
    assert_eq!(rest(&mut silent).await, "");
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
    cluster
        .lb
        .until_counted("tfauth_lb_client_faults_total{kind=\"handshake\"} 1")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_cut_off_and_no_node_sees_it() {
    let cluster = cluster(1).await;
    let stream = cluster.lb.client().connect().await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let start = Instant::now();
    let dripping = tokio::spawn(async move {
        let head = b"POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n";
        writing.write_all(head).await.expect("sent");
        let mut drips = tokio::time::interval(Duration::from_millis(200));
        loop {
            drips.tick().await;
            if writing.write_all(b"x").await.is_err() || writing.flush().await.is_err() {
                return;
            }
        }
    });
    let answer = rest(&mut reading).await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    dripping.abort();
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::Flood);
    let start = Instant::now();
    let mut stream = cluster.lb.client().connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    until("the node has answered", || async { cluster.nodes[0].seen().len() == 1 }).await;
    until("the request is given up", || async {
        cluster.lb.status().await["in_flight"] == 0
    })
    .await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_only_so_many_connections() {
    let cluster = cluster_with(
        1,
        Options {
            limits_lines: "connections = 100\nconnections_per_address = 3".into(),
            ..Options::default()
        },
    )
    .await;
    let client = cluster.lb.client();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.connect().await);
    }
    let refused = async || {
        let stream = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
        client.greet(stream, "localhost", "http/1.1").await.is_err()
    };
    assert!(refused().await);
    cluster
        .lb
        .until_counted("tfauth_lb_connections_refused_total{limit=\"connections_per_address\"} 1")
        .await;
    // Another address of this machine is another client.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind(([127, 0, 0, 9], 0).into())
        .expect("an address of the loopback");
    let stream = socket.connect(cluster.lb.front).await.expect("the front listens");
    client
        .greet(stream, "localhost", "http/1.1")
        .await
        .expect("it has its own limit");
    open.pop();
    until("there is room again", async || !refused().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_together_has_only_so_many_connections() {
    let cluster = cluster_with(
        1,
        Options {
            limits_lines: "connections = 3\nconnections_per_address = 3".into(),
            front_lines: "trusted_proxies = [\"127.0.0.1\"]".into(),
            ..Options::default()
        },
    )
    .await;
    let client = cluster.lb.client();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.connect().await);
    }
    let stream = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
    assert!(client.greet(stream, "localhost", "http/1.1").await.is_err());
    cluster
        .lb
        .until_counted("tfauth_lb_connections_refused_total{limit=\"connections\"} 1")
        .await;
    assert_eq!(cluster.lb.status().await["connections"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cluster_says_so_at_once() {
    let cluster = cluster_with(
        2,
        Options {
            limits_lines: "node_in_flight = 1".into(),
            ..Options::default()
        },
    )
    .await;
    let client = cluster.lb.client().clone();
    let mut waiting = Vec::new();
    for node in &cluster.nodes {
        node.behave(Conduct::Wait);
    }
    // All at the same moment: no two of them may take the same last place.
    for _ in 0..20 {
        let client = client.clone();
        waiting.push(tokio::spawn(async move {
            client.post("/v1/accounts", "{}").await.status.as_u16()
        }));
    }
    until("the others were refused", || async {
        waiting.iter().filter(|answer| answer.is_finished()).count() == 18
    })
    .await;
    until("each node has its one", || async {
        cluster.nodes.iter().all(|node| node.seen().len() == 1)
    })
    .await;
    let start = Instant::now();
    let refused = client.post("/v1/accounts", "{}").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert!(refused.text().contains("Nothing was changed"), "{}", refused.text());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it was held: {:?}",
        start.elapsed()
    );
    cluster
        .lb
        .until_counted("tfauth_lb_overloaded_total{limit=\"node_in_flight\"} 19")
        .await;
    cluster.nodes.iter().for_each(|node| node.go());
    let mut statuses = Vec::new();
    for answer in waiting {
        statuses.push(answer.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 2], vec![503; 18]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_cluster_is_not_drowned_in_repetitions() {
    let cluster = cluster(2).await;
    for node in &cluster.nodes {
        node.behave(Conduct::OpenOutcome);
    }
    let (requests, mut sent) = (100, 0);
    for _ in 0..requests {
        assert_eq!(cluster.lb.client().post("/v1/accounts", "{}").await.status, 503);
    }
    for node in &cluster.nodes {
        sent += node.seen().len();
    }
    // A fifth of the requests and three per second; the run may take two of the windows.
    let repeated = sent - requests;
    assert!((20..=20 + 2 * 30).contains(&repeated), "{repeated} repetitions");
    let metrics = cluster.lb.ops("/metrics").await;
    let refused = metrics
        .text()
        .lines()
        .find(|line| line.starts_with("tfauth_lb_retries_refused_total "));
    assert!(refused.is_some_and(|line| !line.ends_with(" 0")), "{refused:?}");
}
