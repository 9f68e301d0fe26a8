//! Rotation under load: every token verifies, at every node and at somebody who keeps the published keys as long as he may.

use super::*;
use crate::replication::testing::single_node;
use crate::signing::{TokenIssuer, TokenSettings, TokenVerifier};
use auth_core::ids::{AccountId, SessionId};
use auth_core::reply::SessionGrant;
use auth_core::session::Proved;
use secrecy::ExposeSecret as _;
use std::collections::HashSet;

/// What the key set's answer tells others to keep it for, in seconds.
const KEPT_BY_OTHERS_S: u64 = 300;
const ACCESS_S: u64 = 900;
const SESSION_S: u64 = 3600;

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: "https://localhost:8443".into(),
        audience: "tfauth".into(),
        access_seconds: ACCESS_S,
    }
}

fn grant(issued_at: Timestamp, number: u8) -> SessionGrant {
    SessionGrant {
        session: SessionId([number; 16]),
        account: AccountId([4; 16]),
        generation: 1,
        issued_at,
        auth_time: issued_at,
        expires_at: issued_at.plus_seconds(SESSION_S),
        proved: Proved::default(),
        device: None,
    }
}

fn kids(jwks: &[u8]) -> HashSet<String> {
    let set: serde_json::Value = serde_json::from_slice(jwks).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn jw_7_rotation_under_load_leaves_no_token_unverified() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let ring = Arc::new(KeyRing::for_tests());
    let rotation = Rotation {
        after_seconds: Some(2000),
        keep_seconds: SESSION_S,
    };
    // Two nodes over the same state; one looks twice as rarely.
    let (maker, other) = (SigningKeys::default(), SigningKeys::default());
    while !maker.ensure(&replication, &ring).await.unwrap() {}
    let (issuer, verifier) = (TokenIssuer::new(settings()), TokenVerifier::new(&settings()));
    let begin = clock::now();
    let (mut live, mut signers, mut published) = (Vec::new(), HashSet::new(), Vec::new());
    let mut verified = 0;
    for step in 0..160_u64 {
        let now = begin.plus_seconds(step * 60);
        let keys = query::signing_keys(&replication.view()).unwrap();
        // The log's clock is ahead of the machine's: days pass in a second here.
        match rotation.due(&keys, now) {
            Some(Due::Add) => at(&replication, now, Command::AddSigningKey(add(&ring).await)).await,
            Some(Due::Drop) => at(&replication, now, Command::DropSigningKeys(DropSigningKeys {})).await,
            None => {}
        }
        maker.load(&replication.view(), &ring, now).unwrap();
        if step % 2 == 0 {
            other.load(&replication.view(), &ring, now).unwrap();
        }
        published.push((now, kids(&maker.jwks().unwrap())));
        let grant = grant(now, 1);
        let deadline = clock::monotonic() + INSTALL_MAX;
        let (access, refresh) = issuer.issue(&maker, &grant, deadline).await.unwrap();
        let again = issuer.issue(&other, &grant, deadline).await.unwrap();
        assert_eq!(
            access.expose_secret(),
            again.0.expose_secret(),
            "step {step}: both nodes sign alike"
        );
        signers.insert(kid_of(access.expose_secret()));
        live.push((now, access, refresh));
        for (issued, access, refresh) in &live {
            for keys in [&maker, &other] {
                if now < issued.plus_seconds(ACCESS_S) {
                    verifier.access(keys, access.expose_secret(), now).unwrap();
                    verified += 1;
                }
                if now < issued.plus_seconds(SESSION_S) {
                    verifier.refresh(keys, refresh.expose_secret(), now).unwrap();
                    verified += 1;
                }
            }
        }
        // Somebody who fetched the keys up to five minutes ago knows the key of a token that is new now.
        let signed_by = kid_of(live.last().unwrap().1.expose_secret());
        for (fetched, known) in &published {
            if fetched.seconds_until(now) <= KEPT_BY_OTHERS_S {
                assert!(known.contains(&signed_by), "step {step}: {signed_by} is not known yet");
            }
        }
    }
    assert!(verified > 10_000, "{verified}");
    assert!(signers.len() >= 3, "{signers:?}");
    let left = query::signing_keys(&replication.view()).unwrap().len();
    assert!((2..=4).contains(&left), "{left} keys are kept");
}

async fn add(ring: &Arc<KeyRing>) -> AddSigningKey {
    let made = make(ring).await.unwrap();
    AddSigningKey {
        kid: made.kid,
        algorithm: made.algorithm,
        public_der: made.public_der,
        private: made.private,
        activates_in_seconds: SIGNING_KEY_NOTICE_SECONDS,
        keep_seconds: SESSION_S,
    }
}

async fn at(replication: &Replication, now: Timestamp, command: Command) {
    let entry = Entry {
        request_id: RequestId(entropy::bytes()),
        at: now,
        client: Client::default(),
        command,
    };
    let reply = replication
        .propose(&entry, clock::monotonic() + INSTALL_MAX)
        .await
        .unwrap();
    assert!(
        matches!(reply, Reply::SigningKeyInstalled {} | Reply::Done {}),
        "{reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jw_7_an_operator_rotates_once_and_not_again_before_the_next_key_signs() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let ring = Arc::new(KeyRing::for_tests());
    let keys = SigningKeys::default();
    while !keys.ensure(&replication, &ring).await.unwrap() {}
    let first = kids(&keys.jwks().unwrap());
    let next = keys.rotate(&replication, &ring, SESSION_S).await.unwrap();
    let published = kids(&keys.jwks().unwrap());
    assert!(published.contains(&next) && published.is_superset(&first) && published.len() == 2);
    let issuer = TokenIssuer::new(settings());
    let deadline = clock::monotonic() + INSTALL_MAX;
    let (access, _) = issuer.issue(&keys, &grant(clock::now(), 1), deadline).await.unwrap();
    assert_ne!(
        kid_of(access.expose_secret()),
        next,
        "it is published, and does not sign yet"
    );
    let refused = keys.rotate(&replication, &ring, SESSION_S).await.unwrap_err();
    assert!(refused.to_string().contains("key_pending"), "{refused}");
}
