//! The mailed code dialect, as its clients call it: literal paths, fields, messages, status codes.

use super::*;
use auth_core::outbox::{Mail, MailTemplate};

fn login(name: &str, password: &str) -> Call {
    Call::post("/auth/login/").json(&json!({"username": name, "password": password}))
}

fn validate(name: &str, code: &str, challenge: Option<&str>) -> Call {
    Call::post("/auth/validate-2fa/").json(&json!({"username": name, "code": code, "challenge_id": challenge}))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "the steps of the guide, in its order")]
async fn the_whole_guide_step_by_step() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "john_doe").await;

    // 1. Without a second factor.
    let plain = node.send(login("john_doe", PASSWORD)).await;
    let body = plain.json();
    assert_eq!(plain.status, StatusCode::OK, "{body}");
    assert_eq!((&body["user_id"], &body["nickname"]), (&json!(2), &json!("john_doe")));
    let access = body["access"].as_str().unwrap();
    let wrong = node.send(login("john_doe", "wrong")).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (StatusCode::UNAUTHORIZED, json!({"error": "Invalid credentials"}))
    );

    // 2. Enable it.
    let update = |enabled: bool, email: &str| {
        let call = Call {
            method: Method::PUT,
            ..Call::get("/users/update-profile/")
        };
        call.bearer(access)
            .json(&json!({"twofa_enabled": enabled, "email": email}))
    };
    let foreign = node.send(update(true, "new@example.org")).await;
    assert_eq!(
        (foreign.status, foreign.json()),
        (StatusCode::BAD_REQUEST, json!({"error": "Failed to update profile."})),
        "a new address is confirmed first"
    );
    let enabled = node.send(update(true, &email)).await;
    assert_eq!(enabled.json(), json!({"message": "2FA has been enabled successfully."}));
    // From now on this session has not proved all that the account has.
    let off = node.send(update(false, &email)).await;
    assert_eq!(off.status, StatusCode::FORBIDDEN, "se_5: {off:?}");

    // 4. and 5. With it.
    let sent = node.send(login("john_doe", PASSWORD)).await;
    assert_eq!(sent.status, StatusCode::OK);
    assert_eq!(sent.json()["two_fa_required"], true);
    assert_eq!(sent.json()["message"], "A 2FA code has been sent to your email.");
    let code = bench.login_code(&email);
    let cookie = format!(
        "__Host-login_challenge={}",
        sent.cookie("__Host-login_challenge").unwrap()
    );
    let invalid = json!({"error": "Invalid or expired 2FA code."});
    // Whoever knows the name but not the challenge guesses at nothing.
    let unbound = node.send(validate("john_doe", &code, None)).await;
    assert_eq!(
        (unbound.status, unbound.json()),
        (StatusCode::UNAUTHORIZED, invalid.clone())
    );
    let other_name = node.send(validate("jane", &code, None).header("cookie", &cookie)).await;
    assert_eq!(
        (other_name.status, other_name.json()),
        (StatusCode::UNAUTHORIZED, invalid.clone())
    );
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let wrong = node
        .send(validate("john_doe", wrong, None).header("cookie", &cookie))
        .await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (StatusCode::UNAUTHORIZED, invalid.clone())
    );
    let right = node
        .send(validate("john_doe", &code, None).header("cookie", &cookie))
        .await;
    assert_eq!(right.status, StatusCode::OK, "{right:?}");
    assert_eq!(right.json()["user_id"], 2, "as before");
    let again = node
        .send(validate("john_doe", &code, None).header("cookie", &cookie))
        .await;
    assert_eq!((again.status, again.json()), (StatusCode::UNAUTHORIZED, invalid));

    // 3. Log out.
    let refresh = right.token("refresh");
    let out = node
        .send(Call::post("/auth/logout/").json(&json!({"refresh_token": refresh})))
        .await;
    assert_eq!(
        (out.status, out.json()),
        (StatusCode::OK, json!({"message": "Logged out successfully"}))
    );
    assert_eq!(node.user_info(&right.token("access")).await, StatusCode::UNAUTHORIZED);
    let none = node
        .send(Call::post("/auth/logout/").json(&json!({"refresh_token": "x"})))
        .await;
    assert_eq!(none.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_cookies_sends_the_challenge_in_the_body() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "john_doe").await;
    let access = node.send(login("john_doe", PASSWORD)).await.token("access");
    let on = Call {
        method: Method::PUT,
        ..Call::get("/users/update-profile/")
    };
    let on = on.bearer(&access).json(&json!({"twofa_enabled": true, "email": email}));
    assert_eq!(node.send(on).await.status, StatusCode::OK);
    let sent = node.send(login("john_doe", PASSWORD)).await.json();
    let challenge = sent["challenge_id"].as_str().unwrap();
    let right = node
        .send(validate("john_doe", &bench.login_code(&email), Some(challenge)))
        .await;
    assert_eq!(right.json()["nickname"], "john_doe", "{right:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_without_an_address_is_told_in_the_seeds_words() {
    let bench = Bench::new().await;
    let node = bench.node();
    let new = json!({"username": "ann", "email": "ann@example.org", "password": "7quixotic-Vg"});
    node.v1(Method::POST, "/v1/accounts", "", Some(&new)).await;
    let answer = node.send(login("ann", "7quixotic-Vg")).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"error": "No email found in the 'twofa_data'"})
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_broken_is_told_in_the_seeds_words() {
    let bench = Bench::new().await;
    let node = bench.node();
    bench.confirmed_user(&node, "john_doe").await;
    // A node with another key ring cannot read what is stored.
    let broken = Bench {
        replication: bench.replication.clone(),
        ring: Arc::new(KeyRing::of_tests(7, &[(7, [9; 32])])),
        signing: bench.signing.clone(),
        _folder: tempfile::tempdir().unwrap(),
    };
    for password in [PASSWORD, "wrong"] {
        let answer = broken.node().send(login("john_doe", password)).await;
        assert_eq!(
            (answer.status, answer.json()),
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({"error": "Failed to store 2FA code. Please try again later."})
            )
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_is_never_passed_over_in_silence() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "john_doe").await;
    let access = node.send(login("john_doe", PASSWORD)).await.token("access");
    let update = |enabled: bool, email: Value| {
        let call = Call {
            method: Method::PUT,
            ..Call::get("/users/update-profile/")
        };
        call.bearer(&access)
            .json(&json!({"twofa_enabled": enabled, "email": email}))
    };
    let account = || async {
        let own = node.v1(Method::GET, "/v1/account", &access, None).await.json();
        let factors = node.v1(Method::GET, "/v1/factors", &access, None).await.json();
        (own["email"].clone(), factors.as_array().unwrap().len())
    };
    let failed = (StatusCode::BAD_REQUEST, json!({"error": "Failed to update profile."}));
    for (enabled, new) in [(true, "one@example.org"), (false, "two@example.org")] {
        let told = node.send(update(enabled, json!(new))).await;
        assert_eq!((told.status, told.json()), failed, "{new}");
        assert_eq!(account().await, (json!(email), 0), "nothing changed");
        // It is asked whether the address is the caller's.
        bench.confirmation(new);
    }
    for bad in ["nowhere", "a@b@c.example", "\u{fc}@example.org"] {
        let told = node.send(update(true, json!(bad))).await;
        assert_eq!((told.status, told.json()), failed, "{bad}");
    }
    let code = json!({"code": bench.confirmation("two@example.org")});
    let confirmed = node
        .v1(Method::POST, "/v1/account/email/confirm", "", Some(&code))
        .await;
    assert_eq!(confirmed.status, StatusCode::NO_CONTENT, "{confirmed:?}");
    let enabled = node.send(update(true, json!("Two@example.org"))).await;
    assert_eq!(enabled.json(), json!({"message": "2FA has been enabled successfully."}));
    assert_eq!(account().await, (json!("two@example.org"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_mail_that_was_not_sent() {
    let bench = Bench::new().await;
    let node = bench.node();
    let app = node.tokens_of_new_user("ann").await.app;
    let codes = |bench: &Bench| {
        let is_code = |mail: &Mail| matches!(mail.template, MailTemplate::LoginCode { .. });
        bench.mails().iter().filter(|mail| is_code(mail)).count()
    };
    let asked = node.send(login("ann", PASSWORD)).await;
    let body = asked.json();
    assert_eq!((asked.status, &body["two_fa_required"]), (StatusCode::OK, &json!(true)));
    assert_eq!(
        body["message"],
        "A 2FA code is required. Use the code that your authenticator app shows."
    );
    let other = Call::post("/api/auth/login").json(&json!({"email": "ann@example.org", "password": PASSWORD}));
    let other = node.send(other).await;
    assert_eq!(other.status, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(
        other.json()["error"]["message"],
        "Verificação OTP necessária. Use o código do seu aplicativo autenticador."
    );
    assert_eq!(codes(&bench), 0);
    let right = node
        .send(validate("ann", &app.code(1), body["challenge_id"].as_str()))
        .await;
    assert_eq!(
        (right.status, &right.json()["nickname"]),
        (StatusCode::OK, &json!("ann"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn th_9_a_code_that_the_limit_of_mails_holds_back_is_not_called_sent() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "john_doe").await;
    let access = node.send(login("john_doe", PASSWORD)).await.token("access");
    let on = json!({"enabled": true});
    let on = node.v1(Method::PUT, "/v1/factors/email", &access, Some(&on)).await;
    assert_eq!(on.status, StatusCode::NO_CONTENT, "{on:?}");
    for _ in 0..5 {
        let reset = json!({"email": email});
        node.v1(Method::POST, "/v1/password-reset", "", Some(&reset)).await;
    }
    let held = node.send(login("john_doe", PASSWORD)).await;
    assert_eq!(
        (held.status, held.json()),
        (
            StatusCode::TOO_MANY_REQUESTS,
            json!({"error": "Failed to send 2FA code. Please try again later."})
        )
    );
    assert_eq!(held.headers["retry-after"], "60");
    let other = Call::post("/api/auth/login").json(&json!({"email": email, "password": PASSWORD}));
    let other = node.send(other).await;
    assert_eq!(other.status, StatusCode::TOO_MANY_REQUESTS, "{other:?}");
    assert_eq!(other.json()["error"]["code"], "auth.too_many_attempts");
}
