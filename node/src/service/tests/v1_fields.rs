//! Fields whose text is more than its length: names, addresses, labels, and fields that only mean something together. Each
//! is refused by its own name, on every surface that takes it.

use super::*;

/// What a call says is wrong: the native API by field, the dialect of TOTP in its sentence.
fn refused(answer: &Answer, field: &str, what: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: {answer:?}");
    let body = answer.json();
    let named = match body["errors"].as_array() {
        Some(errors) => errors.iter().any(|wrong| wrong["field"] == field),
        None => answer.detail().starts_with(&format!("{field}: ")),
    };
    assert!(named, "{what}: {body}");
}

const UNUSABLE_NAMES: [&str; 11] = [
    ".",
    "..",
    "a/b",
    "a\\b",
    "a\u{2215}b",
    "a b",
    "a\nb",
    "a\u{0}b",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200b}b",
];

const UNUSABLE_ADDRESSES: [&str; 10] = [
    "\u{fc}@example.org",
    "a@b\u{fc}cher.example",
    "a@-c.example",
    "a@c-.example",
    "a@c_d.example",
    "a..b@example.org",
    "a b@example.org",
    "a@example.org\r\nBcc: b@example.org",
    "\"a\"@example.org",
    "a@[192.0.2.1]",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_that_nobody_can_use_are_refused_by_field() {
    let bench = Bench::new().await;
    let node = bench.node();
    let v1 = |name: &str, email: &str| {
        Call::post("/v1/accounts").json(&json!({"username": name, "email": email, "password": PASSWORD}))
    };
    let dialect = |name: &str, email: &str| {
        let body = json!({"username": name, "email": email, "password1": PASSWORD, "password2": PASSWORD});
        Call::post(api::USER).json(&body)
    };
    for name in UNUSABLE_NAMES {
        for call in [v1(name, "a@example.org"), dialect(name, "a@example.org")] {
            refused(&node.send(call).await, "username", &format!("{name:?}"));
        }
    }
    for email in UNUSABLE_ADDRESSES {
        for call in [v1("alice", email), dialect("alice", email)] {
            refused(&node.send(call).await, "email", &format!("{email:?}"));
        }
    }
    // None of it left anything behind.
    assert_eq!(
        node.send(v1("alice", "a@example.org")).await.status,
        StatusCode::CREATED
    );
    let access = node.tokens_of_new_user("bob").await.access;
    for email in ["\u{fc}@example.org", "a@-c.example"] {
        let answer = node
            .v1(
                Method::POST,
                "/v1/account/email",
                &access,
                Some(&json!({"email": email})),
            )
            .await;
        refused(&answer, "email", email);
    }
    for label in ["  ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{2067}b"] {
        let answer = node
            .v1(
                Method::POST,
                "/v1/factors/totp",
                &access,
                Some(&json!({"label": label})),
            )
            .await;
        refused(&answer, "label", &format!("{label:?}"));
    }
    let factors = node.v1(Method::GET, "/v1/factors", &access, None).await.json();
    assert_eq!(factors.as_array().unwrap().len(), 1, "{factors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_without_its_code_is_not_passed_over() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = node.tokens_of_new_user("ann").await;
    let login = |method: &str| json!({"identifier": "ann", "password": PASSWORD, "method": method});
    let reset = |method: &str| {
        let token = "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA";
        json!({"token": token, "new_password": "canary-77aa-violet harbour", "method": method})
    };
    for method in ["totp", "email", "recovery_code"] {
        let answer = node.v1(Method::POST, "/v1/login", "", Some(&login(method))).await;
        refused(&answer, "code", method);
        let path = "/v1/password-reset/confirm";
        refused(
            &node.v1(Method::POST, path, "", Some(&reset(method))).await,
            "code",
            method,
        );
    }
    let path = "/v1/sessions/step-up";
    for (body, field) in [
        (json!({}), "code"),
        (json!({"method": "totp"}), "code"),
        (json!({"method": "recovery_code"}), "code"),
        (json!({"method": "totp", "password": PASSWORD}), "code"),
        (json!({"method": "email", "code": "000000"}), "method"),
        (json!({"method": "email", "password": PASSWORD}), "method"),
    ] {
        let answer = node.v1(Method::POST, path, &user.access, Some(&body)).await;
        refused(&answer, field, &body.to_string());
    }
    // Nothing of it was charged: the right code is looked at.
    let right = json!({"method": "totp", "code": user.app.code(1)});
    let answer = node.v1(Method::POST, path, &user.access, Some(&right)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}
