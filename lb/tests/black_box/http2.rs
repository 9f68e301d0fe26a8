//! Clients that speak HTTP/2: the same rules, another wire.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};

use crate::support::node::Conduct;
use crate::support::{Cluster, cluster, until};

/// A connection of its own with HTTP/2.
async fn connect(cluster: &Cluster) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(cluster.lb.client().connect_with("h2").await)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn send(sender: &SendRequest<Bytes>, method: &str, uri: &str, body: Vec<u8>) -> (StatusCode, String) {
    let mut sender = sender.clone().ready().await.expect("a stream");
    let request = Request::builder().method(method).uri(uri).body(()).expect("a request");
    let (answer, mut sending) = sender.send_request(request, false).expect("sent");
    // The other side may refuse before it has everything.
    let _ = sending.send_data(Bytes::from(body), true);
    let answer = answer.await.expect("an answer");
    let status = answer.status();
    let mut received = answer.into_body();
    let mut text = Vec::new();
    while let Some(piece) = received.data().await {
        let Ok(piece) = piece else { break };
        let _ = received.flow_control().release_capacity(piece.len());
        text.extend_from_slice(&piece);
    }
    (status, String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection_and_survive_a_node() {
    let cluster = cluster(2).await;
    cluster.nodes[0].behave(Conduct::Die);
    let sender = connect(&cluster).await;
    let requests = (0..20).map(|index| {
        let sender = sender.clone();
        tokio::spawn(async move {
            let body = format!("{{\"index\":{index}}}");
            send(&sender, "POST", "https://localhost/v1/accounts", body.into_bytes()).await
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.expect("no panic"), (StatusCode::OK, "node-2".to_string()));
    }
    let mut bodies: Vec<Bytes> = cluster.nodes[1].seen().into_iter().map(|seen| seen.body).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 20);
    for seen in cluster.nodes[1].seen() {
        assert_eq!(seen.headers["host"], "localhost");
        assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
        assert!(!seen.headers.contains_key("transfer-encoding"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_refused_as_over_http_1() {
    let cluster = cluster(1).await;
    let sender = connect(&cluster).await;
    assert_eq!(
        send(&sender, "GET", "https://evil.example.com/", Vec::new()).await.0,
        421
    );
    assert_eq!(
        send(&sender, "GET", "https://localhost/internal/v1/status", Vec::new())
            .await
            .0,
        404
    );
    assert_eq!(send(&sender, "OPTIONS", "https://localhost/", Vec::new()).await.0, 405);
    let (status, text) = send(
        &sender,
        "POST",
        "https://localhost/v1/accounts",
        vec![b'x'; 64 * 1024 + 1],
    )
    .await;
    assert_eq!(status, 413);
    assert!(text.contains("detail"), "{text}");
    assert!(cluster.nodes[0].seen().is_empty());
    assert_eq!(send(&sender, "GET", "https://localhost/", Vec::new()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_the_streams_of_a_connection() {
    let mut cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let sender = connect(&cluster).await;
    let request =
        tokio::spawn(async move { send(&sender, "POST", "https://localhost/v1/accounts", b"{}".to_vec()).await });
    until("the node works on it", || async { cluster.nodes[0].seen().len() == 1 }).await;
    cluster.lb.signal("TERM");
    until("nobody listens any more", || async {
        tokio::net::TcpStream::connect(cluster.lb.front).await.is_err()
    })
    .await;
    cluster.nodes[0].go();
    assert_eq!(request.await.expect("no panic"), (StatusCode::OK, "node-1".to_string()));
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
}
