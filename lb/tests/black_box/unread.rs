//! Clients that take nothing of what they are sent, whatever it is: they cost a place for ten seconds, not for ever.

use std::time::{Duration, Instant};

use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::limits::CUT_OFF;
use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{cluster, cluster_with, until};

#[tokio::test(flavor = "multi_thread")]
async fn refusals_over_http_2_that_nobody_takes_are_given_up() {
    let options = Options {
        logins_per_minute: 1,
        ..Options::default()
    };
    let cluster = cluster_with(1, options).await;
    let stream = cluster.lb.client().connect_with("h2").await;
    // No byte of a body may be sent.
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(0)
        .handshake::<_, bytes::Bytes>(stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let start = Instant::now();
    let mut unread = Vec::new();
    for (method, uri, status) in [
        ("GET", "https://localhost/nope", 404),
        ("POST", "https://localhost/v1/login", 200),
        ("POST", "https://localhost/v1/login", 429),
        ("GET", "https://evil.example.com/", 421),
    ] {
        let mut sender = sender.clone().ready().await.expect("a stream");
        let request = Request::builder().method(method).uri(uri).body(()).expect("a request");
        let (answer, _) = sender.send_request(request, true).expect("sent");
        let answer = answer.await.expect("the head of an answer");
        assert_eq!(answer.status(), status, "{method} {uri}");
        unread.push(answer);
    }
    assert_eq!(cluster.lb.status().await["in_flight"], 4);
    until("they are given up", || async {
        cluster.lb.status().await["in_flight"] == 0
    })
    .await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_nobody_takes_hold_no_place_at_a_node_and_are_given_up() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::LongHead);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let stream = socket.connect(cluster.lb.front).await.expect("the front listens");
    let client = cluster.lb.client();
    let mut stream = client.greet(stream, "localhost", "http/1.1").await.expect("TLS");
    let is_idle = || async { cluster.lb.status().await["in_flight"] == 0 };
    for number in 1.. {
        assert!(number < 200, "nothing fills the buffers");
        let request = b"HEAD / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        until("the node has answered", || async {
            cluster.nodes[0].seen().len() == number
        })
        .await;
        let answered = until("it is answered", is_idle);
        if tokio::time::timeout(Duration::from_secs(1), answered).await.is_err() {
            break;
        }
    }
    let start = Instant::now();
    assert_eq!(cluster.lb.status().await["nodes"][0]["in_flight"], 0);
    until("it is given up", is_idle).await;
    assert!(CUT_OFF.contains(&start.elapsed()), "after {:?}", start.elapsed());
}
