//! Clients whom the kernel had connected, and the program had not accepted yet, when it was told to leave.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{frame, greeting};
use crate::support::client::last_answer;
use crate::support::program::Program;
use crate::support::{PATIENCE, cluster, until};

/// Kinds of frames, RFC 9113.
const PING: u8 = 6;
const GOAWAY: u8 = 7;

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

/// The error code of each GOAWAY until the connection ends; answers what has to be answered.
async fn goodbyes(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Vec<u32> {
    let (mut told, mut head) = (Vec::new(), [0; 9]);
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.expect("a whole frame");
        match (head[3], head[4]) {
            // A balancer that is gone already needs no answer.
            (PING, 0) => drop(stream.write_all(&frame(PING, 1, 0, &payload)).await),
            (GOAWAY, _) => told.push(u32::from_be_bytes(payload[4..8].try_into().expect("four bytes"))),
            _ => {}
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_backlog_with_http_2_is_told_the_end() {
    let mut cluster = cluster(1).await;
    let client = cluster.lb.client().clone();
    let stream = left_behind(&cluster.lb).await;
    let start = Instant::now();
    let mut stream = client.greet(stream, "localhost", "h2").await.expect("TLS");
    stream.write_all(&greeting()).await.expect("it listens");
    let goodbyes = tokio::time::timeout(PATIENCE, goodbyes(&mut stream))
        .await
        .expect("it ends");
    assert!(!goodbyes.is_empty(), "closed without a word");
    assert!(goodbyes.iter().all(|error| *error == 0), "in order: {goodbyes:?}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "only the drain's limit ended it: {:?}",
        start.elapsed()
    );
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}
