//! The conditional OTP dialect, as its script calls it: literal paths, fields, messages, status codes.

use super::*;

const SCRIPT: [(&str, &str); 2] = [("sec-fetch-site", "same-origin"), ("origin", ORIGIN)];

fn post(path: &str, body: &Value, cookie: &str) -> Call {
    let mut call = Call::post(path).json(body);
    for (name, value) in SCRIPT {
        call = call.header(name, value);
    }
    if cookie.is_empty() {
        call
    } else {
        call.header("cookie", cookie)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_logs_in_with_and_without_a_code() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "ann").await;
    let credentials = json!({"email": email, "password": PASSWORD});
    let plain = node.send(post("/api/auth/login", &credentials, "")).await;
    assert_eq!(plain.status, StatusCode::OK, "{plain:?}");
    let access = plain.token("accessToken");
    assert!(plain.json()["expiresAt"].as_str().unwrap().ends_with('Z'));
    assert!(plain.cookie("__Host-refresh_token").is_some() && plain.cookie("__Host-access_token").is_none());
    let on = node
        .v1(
            Method::PUT,
            "/v1/factors/email",
            &access,
            Some(&json!({"enabled": true})),
        )
        .await;
    assert_eq!(on.status, StatusCode::NO_CONTENT, "{on:?}");

    let demanded = node.send(post("/api/auth/login", &credentials, "")).await;
    assert_eq!(demanded.status, StatusCode::PRECONDITION_REQUIRED);
    let mut body = demanded.json();
    let details = body["error"]["details"].as_object_mut().unwrap();
    assert!(details.remove("challengeId").is_some());
    assert_eq!(
        body,
        json!({"isSuccess": false, "error": {
            "code": "auth.otp_required",
            "message": "Verificação OTP necessária. Um código foi enviado para seu e-mail.",
            "type": "Validation", "statusCode": 428,
            "details": {"requiresOtp": true, "email": email}}})
    );
    let cookie = format!(
        "__Host-login_challenge={}",
        demanded.cookie("__Host-login_challenge").unwrap()
    );
    let code = bench.login_code(&email);
    let invalid = json!({"isSuccess": false, "error": {
        "code": "auth.unauthorized", "message": "Código OTP inválido ou expirado.",
        "type": "Unauthorized", "statusCode": 401}});
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let answer = |code: &str| json!({"email": email, "otpCode": code});
    let refused = node.send(post("/api/auth/verify-otp", &answer(wrong), &cookie)).await;
    assert_eq!(
        (refused.status, refused.json()),
        (StatusCode::UNAUTHORIZED, invalid.clone())
    );
    let unbound = node.send(post("/api/auth/verify-otp", &answer(&code), "")).await;
    assert_eq!((unbound.status, unbound.json()), (StatusCode::UNAUTHORIZED, invalid));
    let done = node.send(post("/api/auth/verify-otp", &answer(&code), &cookie)).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");

    let refresh = format!("__Host-refresh_token={}", done.cookie("__Host-refresh_token").unwrap());
    let rotated = node.send(post("/api/auth/refresh", &json!({}), &refresh)).await;
    let access = rotated.token("accessToken");
    let refresh = format!(
        "__Host-refresh_token={}",
        rotated.cookie("__Host-refresh_token").unwrap()
    );
    let out = node.send(post("/api/auth/logout", &json!({}), &refresh)).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(node.user_info(&access).await, StatusCode::UNAUTHORIZED);
    let over = node.send(post("/api/auth/refresh", &json!({}), &refresh)).await;
    assert_eq!(over.json()["error"]["type"], "Unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_envelope() {
    let bench = Bench::new().await;
    let node = bench.node();
    let wrong = node
        .send(post(
            "/api/auth/login",
            &json!({"email": "nobody@example.org", "password": "wrong"}),
            "",
        ))
        .await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (
            StatusCode::UNAUTHORIZED,
            json!({"isSuccess": false, "error": {
                "code": "auth.unauthorized", "message": "E-mail ou senha inválidos.",
                "type": "Unauthorized", "statusCode": 401}})
        )
    );
    let missing = node.send(post("/api/auth/login", &json!({"email": "a"}), "")).await;
    assert_eq!(
        (missing.status, missing.json()["error"]["statusCode"].clone()),
        (StatusCode::BAD_REQUEST, json!(400))
    );
    let new = json!({"username": "ann", "email": "ann@example.org", "password": "7quixotic-Vg"});
    node.v1(Method::POST, "/v1/accounts", "", Some(&new)).await;
    let enrol = node
        .send(post(
            "/api/auth/login",
            &json!({"email": "ann@example.org", "password": "7quixotic-Vg"}),
            "",
        ))
        .await;
    assert_eq!(
        (enrol.status, enrol.json()["error"]["type"].clone()),
        (StatusCode::FORBIDDEN, json!("Forbidden"))
    );
}
