//! The native API's sessions: rotation, listing, ending, step-up.

use super::*;
use crate::service::tests::v1_login::claims;

#[tokio::test(flavor = "multi_thread")]
async fn rt_1_rt_2_rotation_takes_the_token_from_body_header_or_cookie() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let path = "/v1/sessions/refresh";
    let first = node
        .v1(Method::POST, path, "", Some(&json!({"refresh_token": user.refresh})))
        .await;
    let second = first.token("refresh_token");
    // The predecessor is honoured for ten seconds and gets the same successor.
    let again = node.send(Call::post(path).bearer(&user.refresh)).await;
    assert_eq!(again.token("refresh_token"), second);
    let cookie = format!("__Host-refresh_token={second}");
    let third = node.send(Call::post(path).header("cookie", &cookie)).await;
    assert_eq!(third.status, StatusCode::OK);
    // Two generations back: the family is over.
    let replay = node.send(Call::post(path).bearer(&user.refresh)).await;
    assert_eq!(
        (replay.status, replay.json()["code"].clone()),
        (StatusCode::UNAUTHORIZED, json!("session_revoked"))
    );
    assert_eq!(
        node.user_info(&third.token("access_token")).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(node.send(Call::post(path)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn se_4_sessions_are_listed_and_ended_by_their_owner_only() {
    let bench = Bench::new().await;
    let node = bench.node();
    let ann = node.tokens_of_new_user("ann").await;
    let bob = node.tokens_of_new_user("bob").await;
    let other = node
        .log_in("ann", PASSWORD, &ann.app.code(1))
        .await
        .token("access_token");
    let list = || async { node.v1(Method::GET, "/v1/sessions", &ann.access, None).await.json() };
    let sessions = list().await;
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!(
        sessions
            .as_array()
            .unwrap()
            .iter()
            .filter(|s| s["current"] == true)
            .count(),
        1
    );
    let id = sessions
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["current"] == false)
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let end = format!("/v1/sessions/{id}");
    assert_eq!(
        node.v1(Method::DELETE, &end, &bob.access, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(node.user_info(&other).await, StatusCode::OK);
    assert_eq!(
        node.v1(Method::DELETE, &end, &ann.access, None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(node.user_info(&other).await, StatusCode::UNAUTHORIZED, "se_2");
    let third = node.v1_login("ann", PASSWORD).await;
    assert_eq!(third.json()["status"], "second_factor_required");
    let logout = node.v1(Method::POST, "/v1/sessions/logout", &ann.access, None).await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    assert_eq!(node.user_info(&ann.access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.user_info(&bob.access).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn se_4_all_other_sessions_end_at_once() {
    let bench = Bench::new().await;
    let node = bench.node();
    let ann = node.tokens_of_new_user("ann").await;
    let other = node
        .log_in("ann", PASSWORD, &ann.app.code(1))
        .await
        .token("access_token");
    assert_eq!(
        node.v1(Method::DELETE, "/v1/sessions", &ann.access, None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(node.user_info(&other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.user_info(&ann.access).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn se_5_step_up_gives_a_new_auth_time_and_needs_the_second_factor() {
    let bench = Bench::new().await;
    let node = bench.node();
    let ann = node.tokens_of_new_user("ann").await;
    let path = "/v1/sessions/step-up";
    let weak = node
        .v1(Method::POST, path, &ann.access, Some(&json!({"password": PASSWORD})))
        .await;
    assert_eq!(
        weak.status,
        StatusCode::UNAUTHORIZED,
        "a password alone does not do: {weak:?}"
    );
    let wrong = node
        .v1(
            Method::POST,
            path,
            &ann.access,
            Some(&json!({"code": ann.app.wrong_code()})),
        )
        .await;
    assert_eq!(wrong.json()["code"], "invalid_code");
    let code = ann.app.code(1);
    let body = json!({"method": "totp", "code": code});
    let fresh = node.v1(Method::POST, path, &ann.access, Some(&body)).await;
    let (before, after) = (claims(&ann.access), claims(&fresh.token("access_token")));
    assert_eq!(before["sid"], after["sid"]);
    assert!(after["auth_time"].as_u64() >= before["auth_time"].as_u64());
    let again = node.v1(Method::POST, path, &ann.access, Some(&body)).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "otp_3: once");
    let nothing = node.v1(Method::POST, path, &ann.access, Some(&json!({}))).await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_what_ended_the_session_gets_its_answer() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let ann = one.tokens_of_new_user("ann").await;
    let bob = one.tokens_of_new_user("bob").await;
    let logout = || Call::post("/v1/sessions/logout").bearer(&ann.access).operation([4; 16]);
    let delete = || Call {
        method: Method::DELETE,
        ..Call::get("/v1/account").bearer(&bob.access).operation([5; 16])
    };
    for call in [logout(), logout(), delete(), delete()] {
        assert_eq!(two.send(call).await.status, StatusCode::NO_CONTENT);
    }
    // Another request with the same token is not that one.
    let other = Call::post("/v1/sessions/logout").bearer(&ann.access).operation([6; 16]);
    assert_eq!(one.send(other).await.status, StatusCode::UNAUTHORIZED);
}
