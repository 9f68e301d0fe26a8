//! Messages to a real HTTPS server that checks the signature as a receiver would.

use super::testing::{SECRET, gateway, receiver};
use super::*;
use crate::tls::testing::Authority;
use auth_core::ids::ChallengeId;
use auth_core::secret::Sealed;

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
            Err(SendError::Server(reason) | SendError::BrokeOff(reason)) => panic!("{reason}"),
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
