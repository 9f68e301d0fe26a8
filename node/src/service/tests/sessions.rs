//! Tokens, rotation, retries, the end of sessions, and what is answered without a quorum.

use super::*;
use crate::service::ServiceError;
use auth_api::headers::NOT_EXECUTED;
use secrecy::ExposeSecret as _;

async fn refresh(node: &Node, token: &str) -> Answer {
    node.send(Call::post(api::REFRESH).bearer(token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_2_the_immediate_predecessor_gets_the_same_successor() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let totp = one.enrolled("alice").await;
    let first = one
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("refresh_token");
    let second = refresh(&one, &first).await;
    // The answer was lost: the client asks another node, as a new request.
    let again = refresh(&two, &first).await;
    assert_eq!(again.token("refresh_token"), second.token("refresh_token"));
    assert_eq!(again.token("access_token"), second.token("access_token"));
    assert_eq!(
        refresh(&two, &second.token("refresh_token")).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_1_an_older_refresh_token_ends_the_whole_family() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let first = node
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("refresh_token");
    let second = refresh(&node, &first).await.token("refresh_token");
    let third = refresh(&node, &second).await;
    let newest = (third.token("refresh_token"), third.token("access_token"));
    assert_eq!(node.user_info(&newest.1).await, StatusCode::OK);
    assert_eq!(refresh(&node, &first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&node, &newest.0).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.user_info(&newest.1).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn se_3_a_session_that_rested_for_too_long_is_refreshed_no_more() {
    const REST_S: u64 = 3;
    let bench = Bench::new().await;
    let strict = bench.node_resting(true, HashParams::default(), Some(REST_S));
    let lenient = bench.node();
    let totp = strict.enrolled("alice").await;
    let rests = strict.log_in("alice", PASSWORD, &totp.code(0)).await;
    let lasts = lenient.log_in("alice", PASSWORD, &totp.code(1)).await;
    let ended = async {
        while lenient.user_info(&rests.token("access_token")).await != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    // Each node refuses it, whatever its own setting: the session carries the time with it.
    for node in [&strict, &lenient] {
        let answer = refresh(node, &rests.token("refresh_token")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    }
    assert_eq!(lenient.user_info(&lasts.token("access_token")).await, StatusCode::OK);
    let answer = refresh(&lenient, &lasts.token("refresh_token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jw_4_tokens_open_only_what_they_are_for() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let answer = node.log_in("alice", PASSWORD, &totp.code(0)).await;
    assert_eq!(
        node.user_info(&answer.token("refresh_token")).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        refresh(&node, &answer.token("access_token")).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(node.user_info(&answer.token("access_token")).await, StatusCode::OK);
    assert_eq!(node.user_info("x.y.z").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_operation_gets_the_same_tokens_byte_for_byte() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let totp = one.enrolled("alice").await;
    let (code, operation) = (totp.code(0), entropy::bytes());
    let first = one.send(login("alice", PASSWORD, &code).operation(operation)).await;
    let retry = two.send(login("alice", PASSWORD, &code).operation(operation)).await;
    assert_eq!(first.token("access_token"), retry.token("access_token"));
    assert_eq!(first.body, retry.body);
    // The operation alone is worth nothing: the password is still asked for.
    let thief = two
        .send(login("alice", "wrong password", &code).operation(operation))
        .await;
    assert_eq!(thief.status, StatusCode::UNAUTHORIZED);
    let other_name = two.send(login("bob", PASSWORD, &code).operation(operation)).await;
    assert_eq!(other_name.status, StatusCode::UNAUTHORIZED);

    let operation = entropy::bytes();
    let token = first.token("refresh_token");
    let call = || Call::post(api::REFRESH).bearer(&token).operation(operation);
    assert_eq!(one.send(call()).await.body, two.send(call()).await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_the_guess_that_used_up_the_budget_gets_its_own_answer() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    one.enrolled("alice").await;
    for name in ["alice", "nobody"] {
        for _ in 0..4 {
            assert_eq!(
                one.log_in(name, "wrong password", "000000").await.status,
                StatusCode::UNAUTHORIZED
            );
        }
        let operation = entropy::bytes();
        for node in [&one, &two] {
            let last = node
                .send(login(name, "wrong password", "000000").operation(operation))
                .await;
            assert_eq!(last.status, StatusCode::UNAUTHORIZED, "{name}");
        }
        assert_eq!(
            two.log_in(name, "wrong password", "000000").await.status,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_2_an_ended_session_is_refused_on_every_node_at_once() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let totp = one.enrolled("alice").await;
    let answer = one.log_in("alice", PASSWORD, &totp.code(0)).await;
    let access = answer.token("access_token");
    assert_eq!(two.user_info(&access).await, StatusCode::OK);
    one.auth.end_session(&context(), &access).await.unwrap();
    assert_eq!(two.user_info(&access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        refresh(&two, &answer.token("refresh_token")).await.status,
        StatusCode::UNAUTHORIZED
    );
    // Again is no error; with something else than an access token it is.
    two.auth.end_session(&context(), &access).await.unwrap();
    let wrong = two.auth.end_session(&context(), &answer.token("refresh_token")).await;
    assert!(matches!(wrong, Err(ServiceError::Unauthenticated)));
}

#[tokio::test(flavor = "multi_thread")]
async fn se_7_cookies_of_another_sites_page_do_not_refresh() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let token = node
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("refresh_token");
    let by_cookie = || Call::post(api::REFRESH).header("cookie", &format!("__Host-refresh_token={token}"));
    let cross = by_cookie()
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://evil.example");
    assert_eq!(node.send(cross).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        node.send(by_cookie().header("origin", "https://evil.example"))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let own = by_cookie()
        .header("sec-fetch-site", "same-origin")
        .header("origin", ORIGIN);
    assert_eq!(node.send(own).await.status, StatusCode::OK);
    assert_eq!(
        node.send(Call::post(api::REFRESH)).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn av_2_without_a_quorum_nothing_is_hashed_and_nobody_is_let_in() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let access = node
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("access_token");
    bench.replication.shutdown(Duration::from_secs(5)).await.unwrap();
    let hashed = node.hashing.metrics().hash_time.count();
    for call in [
        login("alice", PASSWORD, &totp.code(1)),
        Call::get(api::USER_INFO).bearer(&access),
    ] {
        // All of it is waited for: a leader might come back.
        let answer = node.send_within(call, Duration::from_secs(1)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(answer.headers[NOT_EXECUTED], "1");
    }
    assert_eq!(node.hashing.metrics().hash_time.count(), hashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_keys_verify_the_tokens_and_may_be_cached() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let access = node
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("access_token");
    let answer = node.send(Call::get("/.well-known/jwks.json")).await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&answer.body).unwrap();
    let kid = jsonwebtoken::decode_header(&access).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["tfauth"]);
    let claims = jsonwebtoken::decode::<Value>(&access, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims["iss"], ORIGIN);
    let text = claims.to_string();
    assert!(
        !text.contains("alice") && !text.contains("example.org"),
        "SE-6: no personal data in {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_do_not_enter_the_store_in_clear() {
    let bench = Bench::new().await;
    let node = bench.node();
    assert_eq!(node.sign_up("alice").await.status, StatusCode::CREATED);
    let pending = node.auth.enrol_totp(&context(), "alice", &password()).await.unwrap();
    let seed = totp_rs::Secret::try_from_base32(pending.secret_base32.expose_secret()).unwrap();
    let code = Totp::new(pending.secret_base32.expose_secret()).code(0);
    let tokens = node.auth.log_in(&context(), "alice", &password(), &code).await.unwrap();
    bench.replication.shutdown(Duration::from_secs(5)).await.unwrap();
    let mut files = Vec::new();
    let mut folders = vec![bench._folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let has = |needle: &[u8]| {
        files
            .iter()
            .any(|file| file.windows(needle.len()).any(|window| window == needle))
    };
    assert!(has(b"alice"), "the search works");
    for (what, needle) in [
        ("password", PASSWORD.as_bytes()),
        ("PHC string", b"$argon2id$".as_slice()),
        ("OTP-6: seed", seed.as_bytes()),
        (
            "OTP-6: seed in base32",
            pending.secret_base32.expose_secret().as_bytes(),
        ),
        ("access token", tokens.access.expose_secret().as_bytes()),
        ("refresh token", tokens.refresh.expose_secret().as_bytes()),
    ] {
        assert!(!has(needle), "{what} is in the store");
    }
}
