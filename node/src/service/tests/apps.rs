//! Several authenticator apps, and the budget of a known device, on the surfaces that take digits only: the dialect of
//! TOTP and the pages.

use super::*;
use crate::service::{IssuedTokens, ServiceError};
use auth_core::reply::Denial;
use secrecy::ExposeSecret as _;

/// A second app, bound in a session that has just proved itself; its current step is burned.
async fn second_app(node: &Node, access: &str) -> Totp {
    let label = json!({"label": "tablet"});
    let pending = node.v1(Method::POST, "/v1/factors/totp", access, Some(&label)).await;
    assert_eq!(pending.status, StatusCode::CREATED, "{pending:?}");
    let shown = pending.json();
    let app = Totp::new(shown["secret"].as_str().unwrap());
    let confirm = format!("/v1/factors/{}/confirm", shown["id"].as_str().unwrap());
    let code = json!({"code": app.code(0)});
    let confirmed = node.v1(Method::POST, &confirm, access, Some(&code)).await;
    assert_eq!(confirmed.status, StatusCode::NO_CONTENT, "{confirmed:?}");
    app
}

/// What the pages do, password first.
async fn page_login(node: &Node, ctx: &RequestContext, name: &str, code: &str) -> Result<IssuedTokens, ServiceError> {
    let started = node.auth.start_login(ctx, name, &password()).await?;
    node.auth.verify_factor(ctx, &started.challenge, code).await
}

/// A browser's surroundings, with the cookie of its device if it has one.
fn browser(device: Option<&str>) -> RequestContext {
    let mut headers = HeaderMap::new();
    headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
    if let Some(token) = device {
        headers.insert("cookie", format!("__Host-device={token}").parse().unwrap());
    }
    RequestContext::new(&headers, [192, 0, 2, 7].into(), PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_9_each_of_two_apps_logs_in_to_the_dialect_and_to_the_pages() {
    let bench = Bench::new().await;
    let node = bench.node();
    for name in ["dialect", "pages"] {
        let user = node.tokens_of_new_user(name).await;
        let second = second_app(&node, &user.access).await;
        for (app, which) in [(&user.app, "first"), (&second, "second")] {
            if name == "dialect" {
                let answer = node.log_in(name, PASSWORD, &app.code(1)).await;
                assert_eq!(answer.status, StatusCode::OK, "the {which} app: {answer:?}");
            } else {
                let tokens = page_login(&node, &context(), name, &app.code(1)).await;
                assert!(tokens.is_ok(), "the {which} app: {:?}", tokens.err());
            }
        }
        // What is of neither app is one guess at both, and wrong.
        let wrong = (0..)
            .map(|number| format!("{number:06}"))
            .find(|code| (-3..=3).all(|at| *code != user.app.code(at) && *code != second.code(at)))
            .unwrap();
        assert_eq!(
            node.log_in(name, PASSWORD, &wrong).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn th_5_wrong_codes_of_strangers_do_not_keep_the_owner_of_a_known_device_from_the_pages() {
    let bench = Bench::new().await;
    let node = bench.node();
    let app = node.enrolled("ann").await;
    let known = page_login(&node, &browser(None), "ann", &app.code(0)).await.unwrap();
    let device = known.device.expect("a browser becomes a known device");
    // Somebody who has the password, and uses one challenge up.
    let used_up = node.auth.start_login(&browser(None), "ann", &password()).await.unwrap();
    let next = node.auth.start_login(&browser(None), "ann", &password()).await.unwrap();
    let wrong = app.wrong_code();
    for _ in 0..auth_core::limits::CHALLENGE_ANSWERS_MAX {
        let guess = node
            .auth
            .verify_factor(&browser(None), &used_up.challenge, &wrong)
            .await;
        assert!(matches!(guess, Err(ServiceError::Denied(Denial::InvalidCode {}))));
    }
    let guess = node.auth.verify_factor(&browser(None), &next.challenge, &wrong).await;
    let blocked = matches!(guess, Err(ServiceError::Denied(Denial::TooManyAttempts { .. })));
    assert!(blocked, "the app's budget is used up");
    let owner = browser(Some(device.expose_secret()));
    let opened = page_login(&node, &owner, "ann", &app.code(1)).await;
    assert!(opened.is_ok(), "{:?}", opened.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn th_5_wrong_passwords_of_strangers_do_not_keep_the_owner_of_a_known_device_from_the_dialect() {
    let bench = Bench::new().await;
    let node = bench.node();
    let app = node.enrolled("ann").await;
    let here = |code: &str| login("ann", PASSWORD, code).header("sec-fetch-site", "same-origin");
    let known = node.send(here(&app.code(0))).await;
    assert_eq!(known.status, StatusCode::OK, "{known:?}");
    let device = known.cookie("__Host-device").expect("a browser becomes a known device");
    for _ in 0..5 {
        let guess = node.log_in("ann", "wrong password", "000000").await;
        assert_eq!(guess.status, StatusCode::UNAUTHORIZED);
    }
    let elsewhere = node.log_in("ann", PASSWORD, &app.code(1)).await;
    assert_eq!(elsewhere.status, StatusCode::TOO_MANY_REQUESTS);
    let cookie = format!("__Host-device={device}");
    let owner = node.send(here(&app.code(1)).header("cookie", &cookie)).await;
    assert_eq!(owner.status, StatusCode::OK, "{owner:?}");
    // A program that is no browser leaves no device behind.
    let ben = node.enrolled("ben").await;
    let program = node.log_in("ben", PASSWORD, &ben.code(0)).await;
    assert_eq!(
        (program.status, program.cookie("__Host-device")),
        (StatusCode::OK, None)
    );
}
