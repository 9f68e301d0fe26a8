//! Forged, expired, foreign and mistaken tokens are refused; each test names the requirement that it shows.

use super::super::{SigningKeys, TokenIssuer, TokenKind, TokenSettings};
use super::*;
use crate::clock;
use crate::secrets::KeyRing;
use crate::signing::key;
use auth_core::keys::SigningKey;
use auth_core::reply::SessionGrant;
use auth_core::session::Proved;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::{Table, schema};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// Keys of one replicated row, made once: generating RSA-3072 is slow.
fn keys() -> &'static SigningKeys {
    static KEYS: OnceLock<SigningKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let ring = KeyRing::for_tests();
        let made = key::generate(&ring).unwrap();
        let row = SigningKey {
            kid: made.kid.clone(),
            algorithm: made.algorithm,
            public_der: made.public_der,
            private: made.private,
            installed_at: NOW,
            activates_at: None,
            retires_at: None,
        };
        let mut tables = MemoryTables::default();
        schema::put(&mut tables, Table::SigningKeys, made.kid.as_bytes(), &row).unwrap();
        let keys = SigningKeys::default();
        assert!(keys.load(&tables, &ring, NOW).unwrap());
        // Under another name, or with another key ring, the same row does not open.
        assert!(
            SigningKeys::default()
                .load(&tables, &KeyRing::of_tests(2, &[(2, [9; 32])]), NOW)
                .is_err()
        );
        let mut renamed = MemoryTables::default();
        schema::put(
            &mut renamed,
            Table::SigningKeys,
            b"k",
            &SigningKey { kid: "k".into(), ..row },
        )
        .unwrap();
        assert!(SigningKeys::default().load(&renamed, &ring, NOW).is_err());
        keys
    })
}

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: "https://localhost:8443".into(),
        audience: "tfauth".into(),
        access_seconds: 3600,
    }
}

fn grant() -> SessionGrant {
    SessionGrant {
        session: SessionId([3; 16]),
        account: AccountId([4; 16]),
        generation: 5,
        issued_at: NOW,
        auth_time: Timestamp(NOW.0 - 9_000_000),
        expires_at: NOW.plus_seconds(5_184_000),
        proved: Proved::default(),
        device: None,
    }
}

async fn issued(grant: &SessionGrant) -> (String, String) {
    let deadline = clock::monotonic() + Duration::from_secs(60);
    let (access, refresh) = TokenIssuer::new(settings())
        .issue(keys(), grant, deadline)
        .await
        .unwrap();
    (access.expose_secret().to_owned(), refresh.expose_secret().to_owned())
}

fn access(token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRefused> {
    TokenVerifier::new(&settings()).access(keys(), token, now)
}

fn refresh(token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRefused> {
    TokenVerifier::new(&settings()).refresh(keys(), token, now)
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with the given header and claims, signed with the cluster's own key: only the content is wrong.
async fn signed(header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = keys().sign_for_tests(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn good_tokens_are_accepted_and_say_what_was_granted() {
    let (a, r) = issued(&grant()).await;
    let expected = VerifiedToken {
        account: grant().account,
        session: grant().session,
        generation: 0,
    };
    assert_eq!(access(&a, NOW), Ok(expected));
    assert_eq!(
        refresh(&r, NOW),
        Ok(VerifiedToken {
            generation: 5,
            ..expected
        })
    );
    let claims = part(&a, 1);
    assert_eq!(claims["acr"], "aal2");
    assert_eq!(claims["amr"], json!(["pwd", "otp"]));
    assert_eq!(claims["sub"], "04040404-0404-0404-0404-040404040404");
    assert_eq!(claims["auth_time"], NOW.seconds() - 9);
    assert_eq!(claims["exp"], NOW.seconds() + 3600);
    assert_eq!(part(&a, 0)["alg"], "RS256");
}

#[tokio::test]
async fn equal_grants_give_equal_bytes_and_others_do_not() {
    let (a, r) = issued(&grant()).await;
    assert_eq!(issued(&grant()).await, (a.clone(), r.clone()));
    let other = SessionGrant {
        generation: 6,
        ..grant()
    };
    let (a2, r2) = issued(&other).await;
    assert_ne!(a, a2);
    assert_ne!(r, r2);
}

#[tokio::test]
async fn rt_3_the_access_token_ends_with_the_session() {
    let short = SessionGrant {
        expires_at: NOW.plus_seconds(60),
        ..grant()
    };
    let (a, r) = issued(&short).await;
    assert_eq!(part(&a, 1)["exp"], NOW.seconds() + 60);
    assert_eq!(part(&r, 1)["exp"], NOW.seconds() + 60);
}

#[tokio::test]
async fn jw_1_only_rs256_is_accepted() {
    let (a, _) = issued(&grant()).await;
    let (header, claims) = (part(&a, 0), part(&a, 1));
    for alg in ["none", "None", "HS256", "rs256", "RS384", "PS256", "ES256", ""] {
        let mut forged = header.clone();
        forged["alg"] = json!(alg);
        assert_eq!(
            access(&signed(&forged, &claims).await, NOW),
            Err(TokenRefused::Header),
            "{alg}"
        );
    }
    let none = format!(
        "{}.{}.",
        encoded(&json!({"alg": "none", "typ": "at+jwt", "kid": header["kid"]})),
        encoded(&claims)
    );
    assert!(access(&none, NOW).is_err());
    // HS256 with the published key as the secret.
    let jwks: Value = serde_json::from_slice(&keys().jwks().unwrap()).unwrap();
    let n = jwks["keys"][0]["n"].as_str().unwrap();
    let mut hs = jsonwebtoken::Header::new(Algorithm::HS256);
    hs.typ = Some("at+jwt".into());
    hs.kid = header["kid"].as_str().map(str::to_owned);
    let forged = jsonwebtoken::encode(&hs, &claims, &jsonwebtoken::EncodingKey::from_secret(n.as_bytes())).unwrap();
    assert!(access(&forged, NOW).is_err());
}

#[tokio::test]
async fn jw_2_keys_come_from_the_own_set_only() {
    let (a, _) = issued(&grant()).await;
    let (header, claims) = (part(&a, 0), part(&a, 1));
    let jwks: Value = serde_json::from_slice(&keys().jwks().unwrap()).unwrap();
    for (field, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", jwks["keys"][0].clone()),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
    ] {
        let mut forged = header.clone();
        forged[field] = value;
        assert_eq!(
            access(&signed(&forged, &claims).await, NOW),
            Err(TokenRefused::Header),
            "{field}"
        );
    }
    for kid in [json!("unknown"), json!(""), Value::Null] {
        let mut forged = header.clone();
        forged["kid"] = kid;
        assert_eq!(access(&signed(&forged, &claims).await, NOW), Err(TokenRefused::Header));
    }
}

#[tokio::test]
async fn jw_3_every_claim_is_required_and_checked() {
    let (a, r) = issued(&grant()).await;
    let (header, claims) = (part(&a, 0), part(&a, 1));
    for name in [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "nbf",
        "exp",
        "auth_time",
        "acr",
        "amr",
    ] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(access(&signed(&header, &without).await, NOW).is_err(), "without {name}");
        let mut null = claims.clone();
        null[name] = Value::Null;
        assert!(access(&signed(&header, &null).await, NOW).is_err(), "{name} is null");
    }
    let now = NOW.seconds();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("aud", json!(["tfauth"])),
        ("sub", json!("nobody")),
        ("sid", json!("nothing")),
        ("jti", json!("")),
        ("exp", json!(now)),
        ("exp", json!("4000000000")),
        ("nbf", json!(now + 6)),
        ("iat", json!(now + 6)),
    ] {
        let mut wrong = claims.clone();
        wrong[name] = value.clone();
        assert!(access(&signed(&header, &wrong).await, NOW).is_err(), "{name} = {value}");
    }
    let mut refresh_claims = part(&r, 1);
    refresh_claims.as_object_mut().unwrap().remove("gen");
    assert!(
        refresh(&signed(&part(&r, 0), &refresh_claims).await, NOW).is_err(),
        "without gen"
    );
}

#[tokio::test]
async fn jw_3_times_are_exact_but_for_a_small_leeway() {
    let (a, _) = issued(&grant()).await;
    let at = |offset: i64| Timestamp::from_seconds(NOW.seconds().checked_add_signed(offset).unwrap());
    assert!(access(&a, at(-5)).is_ok());
    assert_eq!(access(&a, at(-6)), Err(TokenRefused::Time));
    assert!(access(&a, at(3599)).is_ok());
    assert_eq!(access(&a, at(3600)), Err(TokenRefused::Time));
}

#[tokio::test]
async fn jw_4_access_and_refresh_tokens_do_not_stand_in_for_one_another() {
    let (a, r) = issued(&grant()).await;
    assert_eq!(access(&r, NOW), Err(TokenRefused::Header));
    assert_eq!(refresh(&a, NOW), Err(TokenRefused::Header));
    // Not even with the other one's header: the audience differs as well.
    assert_eq!(
        refresh(&signed(&part(&r, 0), &part(&a, 1)).await, NOW),
        Err(TokenRefused::Claims)
    );
    assert_eq!(
        access(&signed(&part(&a, 0), &part(&r, 1)).await, NOW),
        Err(TokenRefused::Claims)
    );
    for typ in ["JWT", "AT+JWT", "application/at+jwt", ""] {
        let mut header = part(&a, 0);
        header["typ"] = json!(typ);
        assert_eq!(
            access(&signed(&header, &part(&a, 1)).await, NOW),
            Err(TokenRefused::Header),
            "{typ}"
        );
    }
}

#[tokio::test]
async fn jw_5_compact_serialisation_only_and_nothing_may_be_changed() {
    let (a, _) = issued(&grant()).await;
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        &a[..a.len() - 1],
        &format!("{a}."),
        &format!("{a}="),
        &format!(" {a}"),
    ] {
        assert!(access(bad, NOW).is_err(), "{bad:?}");
    }
    assert!(access(&"a".repeat(5000), NOW).is_err());
    let json = json!({"payload": a.split('.').nth(1), "protected": a.split('.').next(), "signature": "x"}).to_string();
    assert!(access(&json, NOW).is_err());
    for at in (0..a.len()).step_by(7) {
        let mut changed = a.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if changed != a {
            assert!(access(&changed, NOW).is_err(), "character {at}");
        }
    }
}

#[tokio::test]
async fn jw_8_other_encodings_of_the_same_signature_are_refused() {
    let (a, _) = issued(&grant()).await;
    let padded = format!("{a}==");
    assert!(access(&padded, NOW).is_err());
    let standard = a.replace('-', "+").replace('_', "/");
    assert!(standard == a || access(&standard, NOW).is_err());
}

#[test]
fn jw_6_the_published_key_has_3072_bits_and_no_private_part() {
    let jwks: Value = serde_json::from_slice(&keys().jwks().unwrap()).unwrap();
    let key = &jwks["keys"][0];
    assert_eq!(
        URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len() * 8,
        3072
    );
    let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(key["alg"], "RS256");
}

#[tokio::test]
async fn without_a_key_nothing_is_made_or_believed() {
    let (a, _) = issued(&grant()).await;
    let empty = SigningKeys::default();
    assert!(!empty.is_ready() && empty.jwks().is_none());
    assert_eq!(
        TokenVerifier::new(&settings()).access(&empty, &a, NOW),
        Err(TokenRefused::Header)
    );
    let deadline = clock::monotonic() + Duration::from_secs(5);
    assert!(
        TokenIssuer::new(settings())
            .issue(&empty, &grant(), deadline)
            .await
            .is_err()
    );
    assert_eq!(TokenKind::Access.audience("x"), "x");
}
