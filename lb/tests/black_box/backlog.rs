//! Clients whom the kernel had connected, and the program had not accepted yet, when it was told to leave.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::support::client::last_answer;
use crate::support::program::Program;
use crate::support::{PATIENCE, cluster, until};

/// More than the open files that are left.
const CONNECTIONS: usize = 40;

fn limit_open_files(lb: &Program, limit: usize) {
    let (pid, limit) = (lb.pid().to_string(), format!("--nofile={limit}:"));
    let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(done.expect("prlimit is installed").success());
}

/// A connection that was made before the program was told to leave, and is taken only after it began to: there were too few
/// open files in between.
async fn left_behind(lb: &Program) -> TcpStream {
    lb.signal("STOP");
    until("it stands still", || async {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", lb.pid())).expect("it is there");
        status.contains(") T ")
    })
    .await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(TcpStream::connect(lb.front).await.expect("the front listens"));
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", lb.pid()))
        .expect("it is there")
        .count();
    limit_open_files(lb, open + 2);
    lb.signal("TERM");
    lb.signal("CONT");
    lb.until_logged(&["front cannot accept who had connected"]).await;
    limit_open_files(lb, 1024);
    connections.pop().expect("many")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_backlog_costs_nobody_behind_it() {
    let mut cluster = cluster(1).await;
    let client = cluster.lb.client().clone();
    let stream = left_behind(&cluster.lb).await;
    let mut stream = client.greet(stream, "localhost", "http/1.1").await.expect("TLS");
    last_answer(&mut stream).await;
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_backlog_with_http_2_is_told_the_end() {
    let mut cluster = cluster(1).await;
    let client = cluster.lb.client().clone();
    let stream = left_behind(&cluster.lb).await;
    let start = Instant::now();
    let stream = client.greet(stream, "localhost", "h2").await.expect("TLS");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let ended = tokio::time::timeout(PATIENCE, connection).await.expect("it ends");
    ended.expect("in order");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "only the drain's limit ended it: {:?}",
        start.elapsed()
    );
    drop(sender);
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}
