//! Files change while the program runs: what is right takes effect, what is wrong changes nothing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use http::Request;
use tokio_rustls::client::TlsStream;

use crate::support::node::Node;
use crate::support::pki::{Authority, Pki};
use crate::support::program::{Options, Program, configure};
use crate::support::{PATIENCE, cluster, until};

fn certificate_of(stream: &TlsStream<tokio::net::TcpStream>) -> Vec<u8> {
    let (_, connection) = stream.get_ref();
    connection
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec())
        .expect("a certificate")
}

async fn shown(lb: &Program) -> Vec<u8> {
    certificate_of(&lb.client().connect().await)
}

/// The written configuration with one text replaced by another, written again.
fn edit(pki: &Pki, from: &str, to: &str) -> PathBuf {
    let path = pki.path("lb.toml");
    let text = std::fs::read_to_string(&path).expect("written");
    assert!(text.contains(from), "{from}");
    pki.write("lb.toml", &text.replacen(from, to, 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_shows_the_new_certificate_and_keeps_the_old_one_when_the_new_one_is_wrong() {
    let cluster = cluster(1).await;
    let first = shown(&cluster.lb).await;
    cluster.pki.write("front.pem", "not a certificate");
    cluster.lb.signal("HUP");
    cluster
        .lb
        .until_logged(&["nothing was changed", "front.certificate"])
        .await;
    assert_eq!(shown(&cluster.lb).await, first);
    cluster.lb.until_counted("tfauth_lb_reload_ok 0").await;
    assert_eq!(cluster.lb.status().await["configuration_ok"], false);

    cluster
        .pki
        .write_pair("front", &cluster.pki.authority.issue(&["localhost"]));
    cluster.lb.signal("HUP");
    until("the new certificate is shown", || async {
        shown(&cluster.lb).await != first
    })
    .await;
    assert_eq!(cluster.lb.client().get("/").await.status, 200);
    cluster.lb.until_counted("tfauth_lb_reload_ok 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_noticed_without_a_signal_and_a_bad_pair_is_told_once() {
    let cluster = cluster(1).await;
    let first = shown(&cluster.lb).await;
    let (certificate, key) = cluster.pki.authority.issue(&["localhost"]);
    // Only one half of the pair for now.
    cluster.pki.write("front.pem", &certificate);
    cluster.lb.until_logged(&["nothing was changed", "front.key"]).await;
    assert_eq!(shown(&cluster.lb).await, first);
    cluster.lb.until_counted("tfauth_lb_reload_ok 0").await;
    cluster.pki.write("front.key", &key);
    until("the new certificate is shown", || async {
        shown(&cluster.lb).await != first
    })
    .await;
    let told = cluster
        .lb
        .log()
        .iter()
        .filter(|line| line.contains("nothing was changed"))
        .count();
    assert_eq!(told, 1, "the same fault is told with every look");
    // Year 4096 began at this second.
    cluster
        .lb
        .until_counted("tfauth_lb_certificate_not_after_seconds{certificate=\"front_1\"} 67090118400")
        .await;
    cluster
        .lb
        .until_counted("tfauth_lb_certificate_not_after_seconds{certificate=\"backend\"} 67090118400")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_does_not_replace_a_good_one() {
    let cluster = cluster(1).await;
    let first = shown(&cluster.lb).await;
    let expired = cluster.pki.authority.issue_until(&["localhost"], 2001);
    cluster.pki.write_pair("front", &expired);
    cluster.lb.until_logged(&["nothing was changed", "expired"]).await;
    assert_eq!(shown(&cluster.lb).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_valid_yet_does_not_replace_a_good_one() {
    let cluster = cluster(1).await;
    let first = shown(&cluster.lb).await;
    let early = cluster.pki.authority.issue_between(&["localhost"], 4000, 4096);
    cluster.pki.write_pair("front", &early);
    cluster
        .lb
        .until_logged(&["nothing was changed", "localhost", "not valid yet"])
        .await;
    assert_eq!(shown(&cluster.lb).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go_with_the_configuration() {
    let cluster = cluster(1).await;
    let second = Node::start(&cluster.pki.authority, &cluster.pki, "node-2").await;
    configure(&cluster.pki, &[second], &Options::default());
    until("only the second node is there", || async {
        let status = cluster.lb.status().await;
        let nodes = status["nodes"].as_array().expect("a list");
        nodes.len() == 1 && nodes[0]["name"] == "node-2" && nodes[0]["ready"] == true
    })
    .await;
    for _ in 0..10 {
        assert_eq!(cluster.lb.client().get("/").await.text(), "node-2");
    }
    let metrics = cluster.lb.ops("/metrics").await;
    assert!(
        !metrics.text().contains("tfauth_lb_node_up{node=\"node-1\"}"),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hosts_and_log_level_change_live_and_addresses_are_told_to_wait() {
    let cluster = cluster(1).await;
    let client = cluster.lb.client();
    assert_eq!(client.post("/v1/login", "{}").await.status, 200);
    edit(&cluster.pki, "logins_per_minute = 10000", "logins_per_minute = 1");
    edit(&cluster.pki, "\"auth.example.com\"", "\"other.example.com\"");
    edit(&cluster.pki, "listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.1:1\"]");
    edit(
        &cluster.pki,
        "name = \"lb-test\"",
        "name = \"lb-test\"\nlog_level = \"warn\"",
    );
    cluster
        .lb
        .until_logged(&["take effect at the next start", "front.listen"])
        .await;
    let lines = cluster.lb.log().len();
    let with_host = |host: &'static str| http::Request::get("/").header("host", host);
    assert_eq!(client.send(with_host("other.example.com"), "").await.status, 200);
    assert_eq!(client.send(with_host("auth.example.com"), "").await.status, 421);
    assert_eq!(client.post("/v1/login", "{}").await.status, 200);
    assert_eq!(client.post("/v1/login", "{}").await.status, 429);
    let logged = cluster.lb.log().len();
    assert!(logged <= lines + 1, "access lines are written at level warn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_changes_nothing_and_is_taken_once_it_is_right() {
    let cluster = cluster(1).await;
    let client = cluster.lb.client();
    edit(
        &cluster.pki,
        "logins_per_minute = 10000",
        "logins_per_minute = 1\nlogins = 7",
    );
    cluster.lb.until_logged(&["nothing was changed", "logins"]).await;
    for _ in 0..3 {
        assert_eq!(client.post("/v1/login", "{}").await.status, 200);
    }
    edit(&cluster.pki, "\nlogins = 7", "");
    cluster
        .lb
        .until_logged(&["configuration and certificates read again"])
        .await;
    assert_eq!(client.post("/v1/login", "{}").await.status, 200);
    assert_eq!(client.post("/v1/login", "{}").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_reached_with_the_new_certificate_and_authority_only() {
    let pki = Pki::new();
    let new = Authority::new();
    // The first node has a certificate of the old authority, the second one of the new.
    let old_node = Node::start(&pki.authority, &pki, "node-1").await;
    let new_node = Node::start(&new, &pki, "node-2").await;
    let nodes = [old_node, new_node];
    let lb = Program::start(&pki, &nodes, Options::default()).await;
    lb.until_ready_nodes(1).await;
    // Leaves a connection to the first node in the pool.
    assert_eq!(lb.client().get("/").await.text(), "node-1");
    let before = nodes[0].seen().len();

    pki.write("ca.pem", &new.pem());
    until("the second node is believed and the first one is not", || async {
        let status = lb.status().await;
        status["nodes"][0]["up"] == false && status["nodes"][1]["ready"] == true
    })
    .await;
    for _ in 0..10 {
        assert_eq!(lb.client().get("/").await.text(), "node-2");
    }
    assert_eq!(
        nodes[0].seen().len(),
        before,
        "a connection of the old trust was used again"
    );

    // Our own certificate changes as well: nodes see the new one from then on.
    let handshakes = nodes[1].handshakes();
    pki.write_pair("lb", &pki.authority.issue(&["lb.tfauth.internal"]));
    until("the node is reached anew", || async {
        lb.client().get("/").await.text() == "node-2" && nodes[1].handshakes() > handshakes + 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_the_files_are_read_is_noticed() {
    let cluster = cluster(1).await;
    let pki = &cluster.pki;
    let certificate = std::fs::read_to_string(pki.path("front.pem")).expect("written");
    // Whoever reads the certificate has to wait for it, and has read the configuration by then.
    let fifo = pki.path("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("it is installed")
            .success()
    );
    let path = pki.path("front.pem");
    std::fs::rename(&fifo, &path).expect("renamed");
    let writing = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(path).expect("a reader"));
    let mut writing = tokio::time::timeout(PATIENCE, writing)
        .await
        .expect("it is read")
        .expect("no panic");
    edit(pki, "hosts = [", "hosts = [\"late.example.com\", ");
    std::fs::rename(pki.write("again.pem", &certificate), pki.path("front.pem")).expect("renamed");
    writing.write_all(certificate.as_bytes()).expect("a reader");
    drop(writing);
    until("the new host is served", || async {
        let request = Request::get("/").header("host", "late.example.com");
        cluster.lb.client().send(request, "").await.status == 200
    })
    .await;
}
