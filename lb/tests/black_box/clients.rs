//! Who the client is, and in which ways it may come: through proxies, over plain HTTP, with old and new TLS, by name.

use http::Request;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::{exchange, plain_with};
use crate::support::program::Options;
use crate::support::{cluster, cluster_with};

fn behind(trusted: &str, more: &str) -> Options {
    Options {
        front_lines: format!("trusted_proxies = [\"{trusted}\"]\n{more}"),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_tells_who_the_client_is() {
    let cluster = cluster_with(1, behind("127.0.0.0/8", "")).await;
    let request = Request::get("/")
        .header("x-forwarded-for", "1.2.3.4, 2001:db8::7")
        .header("x-forwarded-for", "127.0.0.5")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "evil.example.com")
        .header("forwarded", "for=1.2.3.4");
    assert_eq!(cluster.lb.client().send(request, "").await.status, 200);
    let seen = &cluster.nodes[0].seen()[0];
    let all: Vec<_> = seen.headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(all, ["2001:db8::7"]);
    assert_eq!(seen.headers["x-forwarded-proto"], "https");
    assert_eq!(seen.headers["x-forwarded-host"], "localhost");
    assert!(!seen.headers.contains_key("forwarded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_trusted_proxy_have_a_flood_limit_each() {
    let options = Options {
        logins_per_minute: 1,
        ..behind("127.0.0.1", "")
    };
    let cluster = cluster_with(1, options).await;
    let login = async |client: &str| {
        let request = Request::post("/v1/login").header("x-forwarded-for", client);
        cluster.lb.client().send(request, "{}").await.status.as_u16()
    };
    assert_eq!(login("198.51.100.7").await, 200);
    assert_eq!(login("198.51.100.7").await, 429);
    assert_eq!(
        login("1.1.1.1, 198.51.100.7").await,
        429,
        "what a client writes changes nothing"
    );
    assert_eq!(login("198.51.100.8").await, 200);
    assert_eq!(login("2001:db8:0:1::1").await, 200);
    assert_eq!(
        login("2001:db8:0:1::2").await,
        429,
        "an IPv6 network of 64 bits is one client"
    );
}

/// Version 2, TCP over IPv4, from 198.51.100.7.
const ANNOUNCEMENT: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x0a\0\0\x01\x12\x67\x01\xbb";

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_balancer_announces_the_client_before_tls() {
    let cluster = cluster_with(1, behind("127.0.0.1", "proxy_protocol = true")).await;
    let client = cluster.lb.client();
    let mut stream = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
    stream.write_all(ANNOUNCEMENT).await.expect("sent");
    let stream = client.greet(stream, "localhost", "http/1.1").await.expect("TLS");
    let request = Request::get("/")
        .header("host", "localhost")
        .header("x-forwarded-for", "1.2.3.4");
    let request = request.body(http_body_util::Full::default()).expect("a request");
    assert_eq!(exchange(stream, request).await.status, 200);
    assert_eq!(cluster.nodes[0].seen()[0].headers["x-forwarded-for"], "198.51.100.7");

    // Without an announcement there is no service for it.
    let stream = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
    assert!(client.greet(stream, "localhost", "http/1.1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_announce_anybody() {
    let cluster = cluster_with(1, behind("10.0.0.0/8", "proxy_protocol = true")).await;
    let mut stream = TcpStream::connect(cluster.lb.front).await.expect("the front listens");
    stream.write_all(ANNOUNCEMENT).await.expect("sent");
    let greeted = cluster.lb.client().greet(stream, "localhost", "http/1.1").await;
    assert!(greeted.is_err());
    assert_eq!(cluster.lb.client().get("/").await.status, 200);
    assert_eq!(cluster.nodes[0].seen()[0].headers["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_sent_to_the_front_and_nowhere_else() {
    let cluster = cluster_with(
        1,
        Options {
            sections: "[redirect]\nlisten = [\"127.0.0.1:0\"]\nhttps_port = 8443".into(),
            ..Options::default()
        },
    )
    .await;
    let redirect = cluster.lb.redirect.expect("it listens");
    let answer = plain_with(
        redirect,
        Request::post("/login?a=b").header("host", "Auth.example.com:80"),
    )
    .await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), "https://auth.example.com:8443/login?a=b");
    let answer = plain_with(redirect, Request::get("/").header("host", "evil.example.com")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (421, ""));
    for raw in [
        "GET //evil.example.com/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET http://evil.example.com/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(redirect).await.expect("it listens");
        stream.write_all(raw.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("closed after the answer");
        assert!(
            answer.starts_with("HTTP/1.1 4") && !answer.contains("location"),
            "{raw}: {answer}"
        );
    }
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_with_both_protocols() {
    let cluster = cluster(1).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(cluster.pki.authority.roots())
            .with_no_client_auth();
        let client = cluster.lb.client().with_tls(Arc::new(tls));
        for protocol in ["http/1.1", "h2"] {
            let stream = client.connect_with(protocol).await;
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        }
        assert_eq!(client.get("/").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_shown_the_certificate_of_the_name_that_it_asks_for() {
    let pki = crate::support::pki::Pki::new();
    pki.write_pair("second", &pki.authority.issue(&["auth.example.com"]));
    let options = Options {
        front_lines: "more_certificates = [{ certificate = \"second.pem\", key = \"second.key\" }]".into(),
        ..Options::default()
    };
    let node = crate::support::node::Node::start(&pki.authority, &pki, "node-1").await;
    let lb = crate::support::program::Program::start(&pki, &[node], options).await;
    for name in ["localhost", "auth.example.com"] {
        let stream = TcpStream::connect(lb.front).await.expect("the front listens");
        // Verification of the name is the client's, and it would fail with the other certificate.
        lb.client().greet(stream, name, "http/1.1").await.expect(name);
    }
    let stream = TcpStream::connect(lb.front).await.expect("the front listens");
    assert!(
        lb.client()
            .greet(stream, "other.example.com", "http/1.1")
            .await
            .is_err()
    );
}
