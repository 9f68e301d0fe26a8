//! The native API's login: one step, two steps, enrolment, mailed codes, recovery codes.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Long enough beside a second factor, too short to be the only one (PW-1).
const SHORT: &str = "7quixotic-Vg";

impl Node {
    pub(super) async fn v1_login(&self, name: &str, password: &str) -> Answer {
        let body = json!({"identifier": name, "password": password});
        self.v1(Method::POST, "/v1/login", "", Some(&body)).await
    }

    pub(super) async fn v1_verify(&self, challenge: &str, method: &str, code: &str) -> Answer {
        let path = format!("/v1/login/challenges/{challenge}/verify");
        let body = json!({"method": method, "code": code});
        self.v1(Method::POST, &path, "", Some(&body)).await
    }
}

/// Claims of an access token, unverified.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn challenge_of(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], "second_factor_required", "{body}");
    body["challenge_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_1_a_short_password_leads_to_enrolment_and_never_to_a_session() {
    let bench = Bench::new().await;
    let node = bench.node();
    let new = json!({"username": "ann", "email": "ann@example.org", "password": SHORT});
    let made = node.v1(Method::POST, "/v1/accounts", "", Some(&new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["status"], "active");

    let refused = node.v1_login("ann", SHORT).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let problem = refused.json();
    assert_eq!(problem["code"], "enrolment_required");
    let token = problem["enrolment_token"].as_str().unwrap();
    // It is good for enrolling and for nothing else.
    for (method, path) in [(Method::GET, "/v1/account"), (Method::POST, "/v1/recovery-codes")] {
        assert_eq!(
            node.v1(method, path, token, None).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    let pending = node
        .v1(
            Method::POST,
            "/v1/factors/totp",
            token,
            Some(&json!({"label": "phone"})),
        )
        .await;
    assert_eq!(pending.status, StatusCode::CREATED, "{pending:?}");
    let shown = pending.json();
    assert!(shown["qr_svg"].as_str().unwrap().contains("<svg"));
    let app = Totp::new(shown["secret"].as_str().unwrap());
    let confirm = format!("/v1/factors/{}/confirm", shown["id"].as_str().unwrap());
    let wrong = node
        .v1(Method::POST, &confirm, token, Some(&json!({"code": app.wrong_code()})))
        .await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_code"))
    );
    let code = app.code(-1);
    let right = node
        .v1(Method::POST, &confirm, token, Some(&json!({"code": code})))
        .await;
    assert_eq!(right.status, StatusCode::NO_CONTENT, "{right:?}");
    // The token is used up, and the step of its code is burned (OTP-3).
    let again = node
        .v1(
            Method::POST,
            "/v1/factors/totp",
            token,
            Some(&json!({"label": "other"})),
        )
        .await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    let challenge = challenge_of(&node.v1_login("ann", SHORT).await);
    assert_eq!(
        node.v1_verify(&challenge, "totp", &code).await.status,
        StatusCode::UNAUTHORIZED
    );
    let done = node.v1_verify(&challenge, "totp", &app.code(0)).await;
    assert_eq!(done.json()["status"], "complete");
    let claims = claims(&done.token("access_token"));
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal2"), &json!(["pwd", "otp"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_comes_along_makes_one_step_of_two() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let body =
        |password: &str, code: &str| json!({"identifier": "ANN@example.org", "password": password, "code": code});
    let right = node
        .v1(Method::POST, "/v1/login", "", Some(&body(PASSWORD, &user.app.code(1))))
        .await;
    assert_eq!(right.json()["status"], "complete", "{right:?}");
    // Which of the two was wrong is not told.
    let wrong_code = node
        .v1(
            Method::POST,
            "/v1/login",
            "",
            Some(&body(PASSWORD, &user.app.wrong_code())),
        )
        .await;
    let wrong_password = node
        .v1(
            Method::POST,
            "/v1/login",
            "",
            Some(&body("wrong", &user.app.wrong_code())),
        )
        .await;
    for answer in [&wrong_code, &wrong_password] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["code"], "invalid_credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_11_otp_12_a_mailed_code_is_good_once_for_its_challenge_and_never_aal2() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "ann").await;
    let first = node.v1_login("ann", PASSWORD).await;
    let access = first.token("access_token");
    assert_eq!(claims(&access)["acr"], "aal1");
    let on = node
        .v1(
            Method::PUT,
            "/v1/factors/email",
            &access,
            Some(&json!({"enabled": true})),
        )
        .await;
    assert_eq!(on.status, StatusCode::NO_CONTENT, "{on:?}");

    let challenge = challenge_of(&node.v1_login("ann", PASSWORD).await);
    let send = format!("/v1/login/challenges/{challenge}/email");
    assert_eq!(
        node.v1(Method::POST, &send, "", None).await.status,
        StatusCode::ACCEPTED
    );
    let code = bench.login_code(&email);
    let other = challenge_of(&node.v1_login("ann", PASSWORD).await);
    assert_eq!(
        node.v1_verify(&other, "email", &code).await.status,
        StatusCode::UNAUTHORIZED
    );
    let done = node.v1_verify(&challenge, "email", &code).await;
    let claims = claims(&done.token("access_token"));
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal1"), &json!(["pwd", "email"]))
    );
    let again = node.v1_verify(&challenge, "email", &code).await;
    assert_eq!(
        (again.status, again.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_code"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn th_9_five_mails_for_a_challenge_and_no_more_guesses_by_asking_again() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "ann").await;
    let access = node.v1_login("ann", PASSWORD).await.token("access_token");
    node.v1(
        Method::PUT,
        "/v1/factors/email",
        &access,
        Some(&json!({"enabled": true})),
    )
    .await;
    let challenge = challenge_of(&node.v1_login("ann", PASSWORD).await);
    let send = format!("/v1/login/challenges/{challenge}/email");
    let mut sent = 0;
    let refused = loop {
        let answer = node.v1(Method::POST, &send, "", None).await;
        if answer.status != StatusCode::ACCEPTED {
            break answer;
        }
        sent += 1;
        assert!(sent <= 5, "th_9: {sent} mails");
    };
    assert!(sent >= 1);
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers.contains_key("retry-after"));
    let right = bench.login_code(&email);
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let mut refused = 0;
    while node.v1_verify(&challenge, "email", wrong).await.status == StatusCode::UNAUTHORIZED {
        refused += 1;
        if refused == 5 {
            break;
        }
    }
    assert_ne!(
        node.v1_verify(&challenge, "email", &right).await.status,
        StatusCode::OK,
        "five answers are all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rc_1_a_recovery_code_stands_for_the_app_once() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let operation = [9; 16];
    let issue = || {
        Call::post("/v1/recovery-codes")
            .bearer(&user.access)
            .operation(operation)
    };
    let first = node.send(issue()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    // The load balancer repeats a request whose answer was lost, on another node: the same codes.
    assert_eq!(bench.node().send(issue()).await.json(), first.json());
    let codes: Vec<String> = serde_json::from_value(first.json()["codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 29));
    let challenge = challenge_of(&node.v1_login("ann", PASSWORD).await);
    let done = node
        .v1_verify(&challenge, "recovery_code", &codes[3].to_lowercase())
        .await;
    let claims = claims(&done.token("access_token"));
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal2"), &json!(["pwd", "rc"]))
    );
    let challenge = challenge_of(&node.v1_login("ann", PASSWORD).await);
    let again = node.v1_verify(&challenge, "recovery_code", &codes[3]).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    let list = node.v1(Method::GET, "/v1/factors", &user.access, None).await.json();
    let left = list
        .as_array()
        .unwrap()
        .iter()
        .find(|factor| factor["kind"] == "recovery_code")
        .unwrap();
    assert_eq!(left["remaining"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn en_1_unknown_and_known_names_are_told_alike() {
    let bench = Bench::new().await;
    let node = bench.node();
    node.tokens_of_new_user("ann").await;
    let known = node.v1_login("ann", "wrong").await;
    let unknown = node.v1_login("nobody", "wrong").await;
    let without_trace = |answer: &Answer| {
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("trace_id");
        (answer.status, body)
    };
    assert_eq!(without_trace(&known), without_trace(&unknown));
    let never = node
        .v1_verify("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "totp", "000000")
        .await;
    assert_eq!(
        (never.status, never.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_code"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_cookies_and_no_token_in_the_body() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let browser = |call: Call| call.header("sec-fetch-site", "same-origin").header("origin", ORIGIN);
    let body = json!({"identifier": "ann", "password": PASSWORD});
    let started = node.send(browser(Call::post("/v1/login").json(&body))).await;
    let challenge = challenge_of(&started);
    assert_eq!(
        started.cookie("__Host-login_challenge").as_deref(),
        Some(challenge.as_str())
    );
    let verify = || {
        let path = format!("/v1/login/challenges/{challenge}/verify");
        browser(Call::post(&path).json(&json!({"method": "totp", "code": user.app.code(1)})))
    };
    // A page that learned of the challenge but does not hold the cookie cannot answer it.
    assert_eq!(node.send(verify()).await.status, StatusCode::UNAUTHORIZED);
    let cookie = format!("__Host-login_challenge={challenge}");
    let done = node.send(verify().header("cookie", &cookie)).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    for absent in ["access_token", "refresh_token", "device_token"] {
        assert!(done.json().get(absent).is_none(), "{absent}");
    }
    let access = done.cookie("__Host-access_token").unwrap();
    assert!(done.cookie("__Host-refresh_token").is_some() && done.cookie("__Host-device").is_some());
    let own = Call::get("/v1/account").header("cookie", &format!("__Host-access_token={access}"));
    assert_eq!(node.send(own).await.status, StatusCode::OK);
}
