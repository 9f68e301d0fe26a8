//! pingora's own client over a link to a small node: what is kept, and what is not used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::clock;
use crate::config::tests::good_config;
use crate::limits::NODE_IDLE_SECONDS_MAX;
use crate::peer::template;
use crate::tls;

const NAME: &str = "node-1.node.tfauth.internal";

/// What the node answers: a body of as many bytes as the head says, a head of exactly so many bytes in all, or half of an answer.
#[derive(Clone, Copy)]
enum Answer {
    Whole,
    HeadOf(usize),
    ThenClose,
}

struct Node {
    address: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    tls: TlsConnector,
}

impl Node {
    async fn start(answer: Answer) -> Self {
        tls::install_provider();
        let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).expect("an authority");
        let issuer = Issuer::new(ca, ca_key);
        let certificate = CertificateParams::new(vec![NAME.into()])
            .and_then(|parameters| parameters.signed_by(&key, &issuer))
            .expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a server");
        let mut roots = RootCertStore::empty();
        roots.add(ca_certificate.der().clone()).expect("a root");
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let node = Self {
            address: listener.local_addr().expect("an address"),
            handshakes: Arc::default(),
            tls: TlsConnector::from(Arc::new(client)),
        };
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(server)),
            Arc::clone(&node.handshakes),
            answer,
        ));
        node
    }

    fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    fn peer(&self, kept: &Arc<Kept>, trust_generation: u64) -> HttpPeer {
        let link = Link {
            address: self.address,
            certificate_name: NAME.into(),
            tls: self.tls.clone(),
            trust_generation,
            limit: Duration::from_secs(5),
            kept: Arc::clone(kept),
        };
        template(link, &good_config().timeouts)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, handshakes: Arc<AtomicUsize>, answer: Answer) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, handshakes) = (acceptor.clone(), Arc::clone(&handshakes));
        tokio::spawn(async move {
            let mut stream = acceptor.accept(tcp).await.expect("a handshake");
            handshakes.fetch_add(1, Ordering::SeqCst);
            let mut request = Vec::new();
            while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                if !request.ends_with(b"\r\n\r\n") {
                    continue;
                }
                request.clear();
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
                let text = match answer {
                    Answer::Whole | Answer::ThenClose => format!("{head}\r\nok"),
                    Answer::HeadOf(bytes) => format!("{head}x: {:y<1$}", "", bytes - head.len() - 3),
                };
                stream.write_all(text.as_bytes()).await.expect("written");
                stream.flush().await.expect("flushed");
                match answer {
                    Answer::Whole => {}
                    Answer::HeadOf(_) => {
                        // The rest comes when the client waits for it: both run in one thread.
                        for _ in 0..500 {
                            tokio::task::yield_now().await;
                        }
                        stream.write_all(b"\r\n\r\nok").await.expect("written");
                        stream.flush().await.expect("flushed");
                    }
                    Answer::ThenClose => return,
                }
            }
        });
    }
}

async fn ask(connector: &Connector, peer: &HttpPeer) {
    let (session, _) = connector.get_http_session(peer).await.expect("a connection");
    let HttpSession::H1(mut session) = session else {
        panic!("HTTP/1.1")
    };
    let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
    request.insert_header("Host", "localhost").expect("a header");
    session.write_request_header(Box::new(request)).await.expect("written");
    session.read_response().await.expect("an answer");
    let mut body = Vec::new();
    while let Some(piece) = session.read_body_bytes().await.expect("a body") {
        body.extend_from_slice(&piece);
    }
    assert_eq!(body, b"ok");
    connector
        .release_http_session(HttpSession::H1(session), peer, None)
        .await;
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let (node, kept, connector) = (Node::start(Answer::Whole).await, Arc::default(), Connector::new(None));
    let peer = node.peer(&kept, 0);
    for _ in 0..5 {
        ask(&connector, &peer).await;
        assert_eq!(kept.count(), 1);
    }
    assert_eq!(node.handshakes(), 1);
}

#[tokio::test]
async fn a_connection_is_not_used_for_another_start_of_the_node_or_under_other_certificates() {
    let (node, kept, connector) = (Node::start(Answer::Whole).await, Arc::default(), Connector::new(None));
    let old = node.peer(&kept, 0);
    ask(&connector, &old).await;
    kept.meet("second");
    assert_eq!(kept.count(), 0);
    ask(&connector, &old).await;
    kept.meet("second");
    ask(&connector, &old).await;
    assert_eq!(node.handshakes(), 2);
    kept.trust(1);
    assert_eq!(kept.count(), 0);
    // A request that goes by the old certificates to its end must not leave a connection to others.
    ask(&connector, &old).await;
    assert_eq!((node.handshakes(), kept.count()), (3, 0));
    ask(&connector, &node.peer(&kept, 1)).await;
    assert_eq!((node.handshakes(), kept.count()), (4, 1));
}

#[tokio::test]
async fn a_connection_in_use_when_its_node_starts_anew_is_not_kept() {
    let (node, kept) = (Node::start(Answer::Whole).await, Arc::<Kept>::default());
    let HttpPeer { options, .. } = node.peer(&kept, 0);
    let link = options.custom_l4.expect("a link");
    let mut stream = link.connect(&node.address.into()).await.expect("a connection");
    kept.meet("second");
    assert!(!is_reusable(&mut stream));
    assert_eq!(kept.count(), 0);
}

#[tokio::test]
async fn a_connection_that_the_node_closed_is_not_used() {
    let (node, kept, connector) = (
        Node::start(Answer::ThenClose).await,
        Arc::default(),
        Connector::new(None),
    );
    let peer = node.peer(&kept, 0);
    for _ in 0..3 {
        ask(&connector, &peer).await;
        // Whether the end was seen at once or not: it must be seen before the next request.
        while kept.count() > 0 {
            tokio::task::yield_now().await;
            kept.tidy();
        }
    }
    assert_eq!(node.handshakes(), 3);
}

#[tokio::test]
async fn a_head_that_leaves_one_byte_of_room_is_no_sign_that_the_answer_is_over() {
    // pingora reads heads into a buffer of 4 KiB; the last read of these has little room or none.
    for bytes in 4_090..4_100 {
        let (node, kept, connector) = (
            Node::start(Answer::HeadOf(bytes)).await,
            Arc::default(),
            Connector::new(None),
        );
        let peer = node.peer(&kept, 0);
        ask(&connector, &peer).await;
        ask(&connector, &peer).await;
        assert_eq!((node.handshakes(), kept.count()), (1, 1), "{bytes}");
    }
}

#[tokio::test]
async fn a_connection_that_rests_for_too_long_is_closed() {
    let (node, kept, connector) = (Node::start(Answer::Whole).await, Arc::default(), Connector::new(None));
    ask(&connector, &node.peer(&kept, 0)).await;
    kept.tidy_at(clock::now() + Duration::from_secs(NODE_IDLE_SECONDS_MAX - 1));
    assert_eq!(kept.count(), 1);
    kept.tidy_at(clock::now() + Duration::from_secs(NODE_IDLE_SECONDS_MAX + 1));
    assert_eq!(kept.count(), 0);
}

/// pingora's own question.
fn is_reusable(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut buf = tokio::io::ReadBuf::new(&mut byte);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    tokio::io::AsyncRead::poll_read(std::pin::Pin::new(stream), &mut context, &mut buf).is_pending()
}
