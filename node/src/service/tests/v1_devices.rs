//! Devices that the account knows, and the lane that they give their owner.

use super::*;

fn from_browser(name: &str, password: &str, code: &str, cookie: &str) -> Call {
    let body = json!({"identifier": name, "password": password, "code": code});
    let call = Call::post("/v1/login")
        .header("sec-fetch-site", "same-origin")
        .json(&body);
    if cookie.is_empty() {
        call
    } else {
        call.header("cookie", cookie)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn th_5_strangers_cannot_lock_out_the_owner_of_a_known_device() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let known = node.send(from_browser("ann", PASSWORD, &user.app.code(1), "")).await;
    assert_eq!(known.status, StatusCode::OK, "{known:?}");
    let device = format!("__Host-device={}", known.cookie("__Host-device").unwrap());
    let mut blocked = false;
    for _ in 0..12 {
        let answer = node.v1_login("ann", "wrong").await;
        blocked |= answer.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(blocked, "a stranger's budget is used up");
    let stranger = node.v1_login("ann", PASSWORD).await;
    assert_eq!(stranger.status, StatusCode::TOO_MANY_REQUESTS);
    let owner = Call::post("/v1/login")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", &device)
        .json(&json!({"identifier": "ann", "password": PASSWORD}));
    let owner = node.send(owner).await;
    assert_eq!(owner.status, StatusCode::OK, "{owner:?}");
    assert_eq!(owner.json()["status"], "second_factor_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_and_forgotten_with_their_sessions() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let known = node.send(from_browser("ann", PASSWORD, &user.app.code(1), "")).await;
    let cookie = format!(
        "__Host-device={}; __Host-access_token={}",
        known.cookie("__Host-device").unwrap(),
        known.cookie("__Host-access_token").unwrap()
    );
    let listed = node
        .send(Call::get("/v1/devices").header("cookie", &cookie))
        .await
        .json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["current"], true);
    let path = format!("/v1/devices/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(
        node.v1(Method::DELETE, &path, &user.access, None).await.status,
        StatusCode::NO_CONTENT
    );
    let own = node.send(Call::get("/v1/account").header("cookie", &cookie)).await;
    assert_eq!(own.status, StatusCode::UNAUTHORIZED, "the session on it is over");
    assert_eq!(
        node.v1(Method::DELETE, &path, &user.access, None).await.status,
        StatusCode::NOT_FOUND
    );
}
