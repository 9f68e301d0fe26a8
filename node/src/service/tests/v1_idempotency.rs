//! `Idempotency-Key`.

use super::*;

fn keyed(path: &str, key: &str, body: &Value) -> Call {
    Call::post(path).header("idempotency-key", key).json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_first_answer_and_another_body_is_refused() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let new = |name: &str| json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    let first = one.send(keyed("/v1/accounts", "k-1", &new("ann"))).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let again = two.send(keyed("/v1/accounts", "k-1", &new("ann"))).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    let other = two.send(keyed("/v1/accounts", "k-1", &new("bob"))).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    // Another call may use the same key, and without a key the name is taken.
    assert_eq!(
        one.send(Call::post("/v1/accounts").json(&new("ann"))).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_one_key_is_one_session() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let body = json!({"identifier": "ann", "password": PASSWORD, "code": user.app.code(1)});
    let first = node.send(keyed("/v1/login", "login-1", &body)).await;
    let again = node.send(keyed("/v1/login", "login-1", &body)).await;
    assert_eq!(first.token("access_token"), again.token("access_token"));
    let without = node.send(Call::post("/v1/login").json(&body)).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED, "the code is used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_keys_are_refused() {
    let bench = Bench::new().await;
    let node = bench.node();
    let long = "x".repeat(65);
    for key in ["", "two words", long.as_str()] {
        let answer = node.send(keyed("/v1/login", key, &json!({}))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{key:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("Idempotency-Key"));
    }
}
