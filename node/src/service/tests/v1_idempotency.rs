//! `Idempotency-Key`.

mod samples;

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

/// Status, body and cookies; of a problem everything but the id of the request, which is each request's own.
fn told(answer: &Answer) -> (StatusCode, Vec<u8>, Vec<String>) {
    let mut body = answer.body.clone();
    if let Ok(Value::Object(mut problem)) = serde_json::from_slice(&answer.body)
        && problem.remove("trace_id").is_some()
    {
        body = Value::Object(problem).to_string().into_bytes();
    }
    let cookies = answer.headers.get_all(SET_COOKIE).iter();
    let cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    (answer.status, body, cookies.collect())
}

/// Whether a path is one of a pattern.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern
            .zip(path)
            .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_post_of_one_key_gets_its_first_answer_and_another_body_is_refused() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let root = bench.ask_nobody_by_chance(&one).await.unwrap();
    let mut samples = samples::native_samples(&bench, &one).await;
    samples.extend(samples::session_samples(&one).await);
    samples.extend(samples::dialect_samples(&bench, &one).await);
    samples.push(samples::administrators_sample(&one, &root).await);
    for operation in auth_api::operations::ALL {
        if operation.method == auth_api::operation::Method::Post {
            let here = samples
                .iter()
                .filter(|sample| fits(operation.path, &sample.path))
                .count();
            assert_eq!(here, 1, "{} has no sample here", operation.path);
        }
    }
    for sample in &samples {
        let first = one.send(sample.call(&sample.body)).await;
        assert!(
            first.status.is_success() || first.status.is_client_error(),
            "{}: {first:?}",
            sample.path
        );
        assert_ne!(first.status, StatusCode::BAD_REQUEST, "{}: {first:?}", sample.path);
        assert_ne!(
            first.status,
            StatusCode::TOO_MANY_REQUESTS,
            "{}: {first:?}",
            sample.path
        );
        for node in [&two, &one] {
            let again = node.send(sample.call(&sample.body)).await;
            assert_eq!(told(&again), told(&first), "{}", sample.path);
        }
        let other = two.send(sample.call(&sample.other)).await;
        assert_eq!(
            other.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}: {other:?}",
            sample.path
        );
    }
}

/// What the load balancer does when a node dies: the same request under the same operation. What the first one did may be
/// why the guard would refuse the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_weakens_its_own_proof_is_answered_again_to_the_load_balancer() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let root = bench.ask_nobody_by_chance(&one).await.unwrap();
    let call = |method: &Method, path: &str, token: &str, body: &Value, operation: u8| {
        let call = Call {
            method: method.clone(),
            ..Call::get(path)
        };
        call.bearer(token).json(body).operation([operation; 16])
    };
    bench.confirmed_user(&one, "binds").await;
    let binds = one.v1_login("binds", PASSWORD).await.token("access_token");
    let pending = json!({"label": "phone"});
    let pending = one
        .v1(Method::POST, "/v1/factors/totp", &binds, Some(&pending))
        .await
        .json();
    let code = json!({"code": Totp::new(pending["secret"].as_str().unwrap()).code(0)});
    let confirm = format!("/v1/factors/{}/confirm", pending["id"].as_str().unwrap());
    bench.confirmed_user(&one, "mails").await;
    let mails = one.v1_login("mails", PASSWORD).await.token("access_token");
    let codes = one.tokens_of_new_user("codes").await.access;
    let second = one.tokens_of_new_user("second").await.access;
    let id_of = |token: &str| v1_login::claims(token)["sub"].as_str().unwrap().to_owned();
    let accounts = "/v1/admin/accounts";
    let (second_path, root_path) = (
        format!("{accounts}/{}", id_of(&second)),
        format!("{accounts}/{}", id_of(&root)),
    );
    for (at, (method, path, token, body)) in [
        (Method::POST, confirm.as_str(), &binds, code),
        (Method::PUT, "/v1/factors/email", &mails, json!({"enabled": true})),
        (Method::POST, "/v1/recovery-codes", &codes, json!({})),
        (Method::PATCH, second_path.as_str(), &root, json!({"role": "admin"})),
        // The administrator's own session ends with the role.
        (Method::PATCH, root_path.as_str(), &root, json!({"role": "user"})),
    ]
    .into_iter()
    .enumerate()
    {
        let operation = u8::try_from(at).unwrap() + 1;
        let first = one.send(call(&method, path, token, &body, operation)).await;
        assert!(first.status.is_success(), "{method} {path}: {first:?}");
        let again = two.send(call(&method, path, token, &body, operation)).await;
        assert_eq!(told(&again), told(&first), "{method} {path}");
        if path == confirm || path == root_path {
            let other = two.send(call(&method, path, token, &body, operation + 100)).await;
            assert!(
                other.status.is_client_error(),
                "another operation is another request: {other:?}"
            );
        }
    }
}
