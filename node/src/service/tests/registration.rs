//! Whether a mail address has an account: what strangers are answered where it has one and where it has none (EN-1).

use super::*;

/// The address that has an account in one of two worlds.
const ASKED: &str = "asked@example.org";
/// The strangers' own password.
const THEIRS: &str = "canary-7c1e-strangers_password";

/// A node where addresses must be proven, with an account of this address.
async fn world(bench: &Bench, owners_address: &str) -> Node {
    let node = bench.node();
    let access = bench.ask_nobody_by_chance(&node).await.unwrap();
    let admin = node.auth.access_token(&access).unwrap();
    let admin = node.auth.authenticate(&context(), admin).await.unwrap();
    let mut policy = node.auth.read_policy(&context()).await.unwrap();
    policy.registration.confirm_email = true;
    let version = policy.version;
    node.auth.set_policy(&context(), &admin, version, policy).await.unwrap();
    let new = json!({"username": "owner", "email": owners_address, "password": PASSWORD});
    let made = node.v1(Method::POST, "/v1/accounts", "", Some(&new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let code = json!({"code": bench.confirmation(owners_address)});
    let proven = node
        .v1(Method::POST, "/v1/account/email/confirm", "", Some(&code))
        .await;
    assert_eq!(proven.status, StatusCode::NO_CONTENT, "{proven:?}");
    node
}

/// One call of a stranger, by number.
fn call(number: usize) -> Call {
    let pick = |divisor: usize, of: &[&'static str]| of[(number / divisor) % of.len()];
    let name = pick(8, &["eve", "mallory"]);
    let address = pick(16, &[ASKED, "other@example.org"]);
    let password = pick(32, &[THEIRS, "wrong-password"]);
    let identifier = if (number / 64).is_multiple_of(2) { name } else { address };
    match number % 8 {
        0 => Call::post("/v1/accounts").json(&json!({"username": name, "email": address, "password": THEIRS})),
        1 => Call::post(api::USER)
            .json(&json!({"username": name, "email": address, "password1": THEIRS, "password2": THEIRS})),
        2 => Call::post("/v1/login").json(&json!({"identifier": identifier, "password": password})),
        3 => Call::post("/auth/login/").json(&json!({"username": identifier, "password": password})),
        4 => Call::post("/api/auth/login").json(&json!({"email": address, "password": password})),
        5 => login(name, password, "000000"),
        6 => Call::post(api::QRCODE).json(&json!({"username": name, "password": password})),
        _ => Call::get(&format!("/api/v1/user/{name}")),
    }
}

/// What a stranger is told, without what differs between any two accounts and requests.
fn told(answer: &Answer) -> (StatusCode, Value) {
    let mut body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if let Some(fields) = body.as_object_mut() {
        for own in ["id", "uuid", "created_at", "updated_at", "trace_id"] {
            fields.remove(own);
        }
    }
    (answer.status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn en_1_strangers_are_answered_alike_whether_an_address_has_an_account_or_not() {
    let (of_free, of_taken) = (Bench::new().await, Bench::new().await);
    let free = world(&of_free, "somewhere@example.org").await;
    let taken = world(&of_taken, ASKED).await;
    // Any order will do; these are the same in every run. The first ones are the attack itself: sign up, and again, and log in.
    let mut drawn = 7_usize;
    let mut numbers = vec![0, 0, 1, 2, 2 + 64, 7];
    numbers.extend(
        std::iter::repeat_with(|| {
            drawn = drawn
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % 128
        })
        .take(40),
    );
    let mut statuses = std::collections::BTreeSet::new();
    for (at, number) in numbers.into_iter().enumerate() {
        let (one, other) = (free.send(call(number)).await, taken.send(call(number)).await);
        assert_eq!(
            told(&one),
            told(&other),
            "call {at}, {} {}",
            call(number).method,
            call(number).path
        );
        statuses.insert(one.status.as_u16());
    }
    assert!(statuses.is_superset(&[201, 401, 403, 409].into()), "{statuses:?}");
}
