//! Messages to a real HTTPS server that checks the signature as a receiver would.

use super::*;
use crate::tls::testing::Authority;
use auth_core::ids::ChallengeId;
use auth_core::secret::Sealed;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECRET: &str = "a shared secret of forty characters long";

/// What arrived.
struct Arrived {
    id: String,
    timestamp: u64,
    signature: String,
    body: bytes::Bytes,
}

/// An HTTPS server for `localhost` that answers `status`, and the PEM of its authority.
async fn receiver(status: u16) -> (u16, String, mpsc::UnboundedReceiver<Arrived>) {
    crate::tls::install_provider();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, arrived) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let told = told.clone();
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let told = told.clone();
                async move {
                    let header = |name| request.headers()[name].to_str().unwrap().to_owned();
                    let (id, signature) = (header(ID_HEADER), header(SIGNATURE_HEADER));
                    let timestamp = header(TIMESTAMP_HEADER).parse().unwrap();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    told.send(Arrived {
                        id,
                        timestamp,
                        signature,
                        body,
                    })
                    .unwrap();
                    let answer = http::Response::builder()
                        .status(status)
                        .body(Empty::<bytes::Bytes>::new());
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (port, cert.pem(), arrived)
}

fn gateway(port: u16, authority: Option<String>, private_addresses: bool) -> Gateway {
    let configured = GatewayConfig {
        uri: format!("https://localhost:{port}/messages").parse().unwrap(),
        secret: SecretString::from(SECRET),
        authority,
        private_addresses,
        login_codes: false,
    };
    Gateway::new(&configured).unwrap()
}

async fn send(gateway: &Gateway) -> Result<(), SendError> {
    let mail = Mail {
        key: 42,
        to: "+49 30 123456".into(),
        template: MailTemplate::LoginCode {
            username: "maria".into(),
            code: Sealed(vec![1]),
            expires_at: Timestamp::from_seconds(1_700_000_300),
            challenge: ChallengeId([1; 16]),
        },
        created_at: Timestamp::from_seconds(1_700_000_000),
        channel: auth_core::outbox::Channel::Gateway,
        language: Some("pt".into()),
        account: None,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    };
    let text = Text {
        subject: "Seu código",
        body: "O código é 042137.\n".into(),
    };
    let now = Timestamp::from_seconds(1_700_000_007);
    gateway.send("00ff", &mail, &text, Some("042137"), now).await
}

#[tokio::test]
async fn a_receiver_can_check_who_sent_what_and_when() {
    let (port, authority, mut arrived) = receiver(202).await;
    let gateway = gateway(port, Some(authority), true);
    send(&gateway).await.unwrap();
    let first = arrived.recv().await.unwrap();
    assert_eq!((first.id.as_str(), first.timestamp), ("42.00ff", 1_700_000_007));
    // As a receiver would: with another implementation of HMAC.
    let signed = [b"v1:1700000007:42.00ff:".as_slice(), &first.body].concat();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, &signed);
    let expected: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(first.signature, format!("v1={expected}"));
    let body: serde_json::Value = serde_json::from_slice(&first.body).unwrap();
    let field = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(
        (
            field("id"),
            field("to"),
            field("language"),
            field("kind"),
            field("code")
        ),
        (
            "42.00ff".into(),
            "+49 30 123456".into(),
            "pt".into(),
            "login_code".into(),
            "042137".into()
        )
    );
    send(&gateway).await.unwrap();
    assert_eq!(
        arrived.recv().await.unwrap().id,
        first.id,
        "a repeat is known by its id"
    );
}

#[tokio::test]
async fn the_status_decides_what_becomes_of_a_message() {
    for (status, wanted) in [
        (200, "taken"),
        (503, "later"),
        (429, "later"),
        (400, "never"),
        (307, "never"),
    ] {
        let (port, authority, _arrived) = receiver(status).await;
        let got = match send(&gateway(port, Some(authority), true)).await {
            Ok(()) => "taken",
            Err(SendError::Later(_)) => "later",
            Err(SendError::Never(_)) => "never",
            Err(SendError::Server(reason)) => panic!("{reason}"),
        };
        assert_eq!(got, wanted, "{status}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_private_addresses_or_to_strangers() {
    let (port, authority, mut arrived) = receiver(200).await;
    let refused = |sent| match sent {
        Err(SendError::Server(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let private = refused(send(&gateway(port, Some(authority), false)).await);
    assert!(private.contains("private network"), "{private}");
    let stranger = refused(send(&gateway(port, Some(Authority::cached().pem()), true)).await);
    assert!(stranger.contains("certificate"), "{stranger}");
    assert!(arrived.try_recv().is_err());
}
