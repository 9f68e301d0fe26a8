//! The native API's accounts: password, address, removal.

use super::*;

/// Another good password.
const OTHER: &str = "canary-41d8-other_password2";

#[tokio::test(flavor = "multi_thread")]
async fn pw_9_a_new_password_needs_the_current_one_and_ends_other_sessions() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let body = json!({"username": "ann", "password": PASSWORD, "security_code": user.app.code(1)});
    let other = node
        .send(Call::post(api::LOGIN).json(&body))
        .await
        .token("access_token");
    let change = |old: &str, new: &str| json!({"current_password": old, "new_password": new});
    let path = "/v1/account/password";
    let wrong = node
        .v1(Method::POST, path, &user.access, Some(&change("wrong", OTHER)))
        .await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_credentials"))
    );
    let weak = node
        .v1(Method::POST, path, &user.access, Some(&change(PASSWORD, "ann")))
        .await;
    assert_eq!(weak.status, StatusCode::BAD_REQUEST);
    assert_eq!(weak.json()["errors"][0]["field"], "new_password");
    let right = node
        .v1(Method::POST, path, &user.access, Some(&change(PASSWORD, OTHER)))
        .await;
    assert_eq!(right.status, StatusCode::NO_CONTENT, "{right:?}");
    assert_eq!(node.user_info(&user.access).await, StatusCode::OK);
    assert_eq!(node.user_info(&other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.v1_login("ann", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.v1_login("ann", OTHER).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_9_a_reset_needs_the_second_factor_and_ends_every_session() {
    let bench = Bench::new().await;
    let node = bench.node();
    let email = bench.confirmed_user(&node, "ann").await;
    let app = node.enrol("ann").await;
    let access = node.log_in("ann", PASSWORD, &app.code(-1)).await.token("access_token");
    let ask = |email: &str| json!({"email": email});
    let path = "/v1/password-reset";
    for address in [email.as_str(), "nobody@example.org"] {
        let answer = node.v1(Method::POST, path, "", Some(&ask(address))).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (StatusCode::ACCEPTED, 0),
            "en_1: {address}"
        );
    }
    let token = bench.reset_token(&email);
    let confirm = "/v1/password-reset/confirm";
    let without = json!({"token": token, "new_password": OTHER});
    let refused = node.v1(Method::POST, confirm, "", Some(&without)).await;
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_code"))
    );
    let with = |code: &str| json!({"token": token, "new_password": OTHER, "method": "totp", "code": code});
    let wrong = node.v1(Method::POST, confirm, "", Some(&with(&app.wrong_code()))).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let right = node.v1(Method::POST, confirm, "", Some(&with(&app.code(0)))).await;
    assert_eq!(right.status, StatusCode::NO_CONTENT, "{right:?}");
    assert_eq!(node.user_info(&access).await, StatusCode::UNAUTHORIZED);
    let again = node.v1(Method::POST, confirm, "", Some(&with(&app.code(1)))).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "the token is used up");
    assert_eq!(node.v1_login("ann", OTHER).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn rc_4_an_address_counts_once_its_code_came_back() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let own = || async { node.v1(Method::GET, "/v1/account", &user.access, None).await.json() };
    assert_eq!(own().await["email_confirmed"], false);
    let new = "ann.new@example.org";
    let asked = node
        .v1(
            Method::POST,
            "/v1/account/email",
            &user.access,
            Some(&json!({"email": new})),
        )
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    assert_eq!(own().await["email"], "ann@example.org", "not before it is confirmed");
    let confirm = |code: String| {
        let node = &node;
        async move {
            let body = json!({"code": code});
            node.v1(Method::POST, "/v1/account/email/confirm", "", Some(&body))
                .await
                .status
        }
    };
    assert_eq!(
        confirm("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA".into()).await,
        StatusCode::UNAUTHORIZED
    );
    let code = bench.confirmation(new);
    assert_eq!(confirm(code.clone()).await, StatusCode::NO_CONTENT);
    let changed = own().await;
    assert_eq!(
        (&changed["email"], &changed["email_confirmed"]),
        (&json!(new), &json!(true))
    );
    assert_eq!(confirm(code).await, StatusCode::UNAUTHORIZED, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_is_gone_with_its_sessions() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let gone = node.v1(Method::DELETE, "/v1/account", &user.access, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(node.user_info(&user.access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.v1_login("ann", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        node.sign_up("ann").await.status,
        StatusCode::CREATED,
        "the name is free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_many_and_labelled_and_removed_by_their_owner() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let pending = node
        .v1(
            Method::POST,
            "/v1/factors/totp",
            &user.access,
            Some(&json!({"label": "tablet"})),
        )
        .await
        .json();
    let tablet = Totp::new(pending["secret"].as_str().unwrap());
    let id = pending["id"].as_str().unwrap();
    let confirm = format!("/v1/factors/{id}/confirm");
    let confirmed = node
        .v1(
            Method::POST,
            &confirm,
            &user.access,
            Some(&json!({"code": tablet.code(-1)})),
        )
        .await;
    assert_eq!(confirmed.status, StatusCode::NO_CONTENT, "{confirmed:?}");
    let labels = || async {
        let list = node.v1(Method::GET, "/v1/factors", &user.access, None).await.json();
        let labels: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["label"].as_str().unwrap().to_owned())
            .collect();
        labels
    };
    assert!(labels().await.contains(&"tablet".to_owned()));
    // Either app opens a session (OTP-9).
    for code in [tablet.code(0), user.app.code(1)] {
        let body = json!({"identifier": "ann", "password": PASSWORD, "code": code});
        let answer = node.v1(Method::POST, "/v1/login", "", Some(&body)).await;
        assert_eq!(answer.json()["status"], "complete", "{answer:?}");
    }
    let remove = format!("/v1/factors/{id}");
    let removed = node.v1(Method::DELETE, &remove, &user.access, None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{removed:?}");
    assert!(!labels().await.contains(&"tablet".to_owned()));
    assert_eq!(
        node.v1(Method::DELETE, &remove, &user.access, None).await.status,
        StatusCode::NOT_FOUND
    );
}
