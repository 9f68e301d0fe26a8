//! The mailed code dialect, as its clients call it: literal paths, fields, messages, status codes.

use super::*;

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
