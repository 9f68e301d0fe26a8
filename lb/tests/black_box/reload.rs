//! SIGHUP: a new certificate without a restart, and no harm from a wrong one.

use tokio_rustls::client::TlsStream;

use crate::support::{cluster, until};

fn certificate_of(stream: &TlsStream<tokio::net::TcpStream>) -> Vec<u8> {
    let (_, connection) = stream.get_ref();
    connection
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec())
        .expect("a certificate")
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_shows_the_new_certificate_and_keeps_the_old_one_when_the_new_one_is_wrong() {
    let cluster = cluster(1).await;
    let first = certificate_of(&cluster.lb.client().connect().await);
    cluster.pki.write("front.pem", "not a certificate");
    cluster.lb.signal("HUP");
    until("the refusal is logged", || async {
        cluster
            .lb
            .log()
            .iter()
            .any(|line| line.contains("nothing was changed") && line.contains("front.certificate"))
    })
    .await;
    assert_eq!(certificate_of(&cluster.lb.client().connect().await), first);

    let (certificate, key) = cluster.pki.authority.issue(&["localhost"]);
    cluster.pki.write("front.pem", &certificate);
    cluster.pki.write("front.key", &key);
    cluster.lb.signal("HUP");
    until("the new certificate is shown", || async {
        certificate_of(&cluster.lb.client().connect().await) != first
    })
    .await;
    assert_eq!(cluster.lb.client().get("/").await.status, 200);
}
