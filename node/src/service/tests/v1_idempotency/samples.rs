//! One call of each `POST` of the contract that does something, with another body beside it.

use super::*;

/// A call and another body for it.
pub(super) struct Sample {
    pub(super) path: String,
    token: String,
    cookie: String,
    pub(super) body: Value,
    pub(super) other: Value,
}

impl Sample {
    fn new(path: &str, token: &str, body: Value, other: Value) -> Self {
        Self {
            path: path.to_owned(),
            token: token.to_owned(),
            cookie: String::new(),
            body,
            other,
        }
    }

    fn with_cookie(self, name: &str, value: &str) -> Self {
        Self {
            cookie: format!("{name}={value}"),
            ..self
        }
    }

    pub(super) fn call(&self, body: &Value) -> Call {
        let call = keyed(&self.path, "the-same-key", body);
        let call = if self.token.is_empty() {
            call
        } else {
            call.bearer(&self.token)
        };
        if self.cookie.is_empty() {
            call
        } else {
            call.header("cookie", &self.cookie)
        }
    }
}

/// A mailed challenge of a user who has mailed codes as a second factor, by `/v1`.
async fn mailed_challenge(node: &Node, name: &str) -> String {
    let sent = node.v1_login(name, PASSWORD).await;
    sent.json()["challenge_id"].as_str().unwrap().to_owned()
}

/// A confirmed user with mailed codes as a second factor.
async fn mailed_user(bench: &Bench, node: &Node, name: &str) -> String {
    let email = bench.confirmed_user(node, name).await;
    let access = node.v1_login(name, PASSWORD).await.token("access_token");
    let on = json!({"enabled": true});
    let on = node.v1(Method::PUT, "/v1/factors/email", &access, Some(&on)).await;
    assert_eq!(on.status, StatusCode::NO_CONTENT);
    email
}

pub(super) async fn native_samples(bench: &Bench, node: &Node) -> Vec<Sample> {
    let mut samples = Vec::new();
    let new = |name: &str| json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    samples.push(Sample::new("/v1/accounts", "", new("new"), new("newer")));
    let other = "canary-41d8-other_password2";
    let change = |new: &str| json!({"current_password": PASSWORD, "new_password": new});
    let user = node.tokens_of_new_user("changes").await.access;
    samples.push(Sample::new(
        "/v1/account/password",
        &user,
        change(other),
        change("canary-77-third_password3"),
    ));
    let email = |name: &str| json!({"email": format!("{name}@example.org")});
    let user = node.tokens_of_new_user("moves").await.access;
    samples.push(Sample::new(
        "/v1/account/email",
        &user,
        email("moved"),
        email("elsewhere"),
    ));
    let user = node.tokens_of_new_user("proves").await;
    node.v1(Method::POST, "/v1/account/email", &user.access, Some(&email("proven")))
        .await;
    let code = json!({"code": bench.confirmation("proven@example.org")});
    let no_code = json!({"code": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"});
    samples.push(Sample::new("/v1/account/email/confirm", "", code, no_code));
    samples.push(Sample::new("/v1/password-reset", "", email("moves"), email("nobody")));
    let address = bench.confirmed_user(node, "forgets").await;
    node.v1(Method::POST, "/v1/password-reset", "", Some(&json!({"email": address})))
        .await;
    let token = bench.reset_token(&address);
    let reset = |new: &str| json!({"token": token, "new_password": new});
    samples.push(Sample::new(
        "/v1/password-reset/confirm",
        "",
        reset(other),
        reset("canary-77-third_password3"),
    ));
    let wrong = |password: &str| json!({"identifier": "moves", "password": password});
    samples.push(Sample::new("/v1/login", "", wrong("wrong"), wrong("also wrong")));
    mailed_user(bench, node, "mailed").await;
    let path = format!("/v1/login/challenges/{}/email", mailed_challenge(node, "mailed").await);
    samples.push(Sample::new(&path, "", json!({}), json!({"x": 1})));
    let path = format!("/v1/login/challenges/{}/verify", mailed_challenge(node, "mailed").await);
    let guess = |code: &str| json!({"method": "email", "code": code});
    samples.push(Sample::new(&path, "", guess("000000"), guess("000001")));
    samples
}

pub(super) async fn session_samples(node: &Node) -> Vec<Sample> {
    let mut samples = Vec::new();
    let user = node.tokens_of_new_user("refreshes").await;
    let token = |token: &str| json!({"refresh_token": token});
    // Another body of the same session: its older token in other words.
    let other = json!({"refresh_token": user.refresh, "x": 1});
    samples.push(Sample::new("/v1/sessions/refresh", "", token(&user.refresh), other));
    let user = node.tokens_of_new_user("leaves").await;
    samples.push(Sample::new(
        "/v1/sessions/logout",
        &user.access,
        json!({}),
        json!({"x": 1}),
    ));
    let user = node.tokens_of_new_user("steps").await;
    let step = |code: String| json!({"method": "totp", "code": code});
    samples.push(Sample::new(
        "/v1/sessions/step-up",
        &user.access,
        step(user.app.code(1)),
        step(user.app.wrong_code()),
    ));
    // The first app of an account whose password is its only factor: once it is bound, the session is not fresh any more.
    node.sign_up("binds").await;
    let access = node.v1_login("binds", PASSWORD).await.token("access_token");
    let label = |label: &str| json!({"label": label});
    samples.push(Sample::new(
        "/v1/factors/totp",
        &access,
        label("phone"),
        label("tablet"),
    ));
    node.sign_up("confirms").await;
    let access = node.v1_login("confirms", PASSWORD).await.token("access_token");
    let pending = node
        .v1(Method::POST, "/v1/factors/totp", &access, Some(&label("phone")))
        .await
        .json();
    let app = Totp::new(pending["secret"].as_str().unwrap());
    let path = format!("/v1/factors/{}/confirm", pending["id"].as_str().unwrap());
    let code = |code: String| json!({"code": code});
    samples.push(Sample::new(&path, &access, code(app.code(0)), code(app.wrong_code())));
    let user = node.tokens_of_new_user("prepares").await;
    samples.push(Sample::new(
        "/v1/recovery-codes",
        &user.access,
        json!({}),
        json!({"x": 1}),
    ));
    samples
}

pub(super) async fn dialect_samples(bench: &Bench, node: &Node) -> Vec<Sample> {
    let mut samples = Vec::new();
    let named = |password: &str| json!({"username": "moves", "password": password});
    samples.push(Sample::new("/auth/login", "", named("wrong-1"), named("wrong-2")));
    let email = mailed_user(bench, node, "guide").await;
    node.send(Call::post("/auth/login/").json(&json!({"username": "guide", "password": PASSWORD})))
        .await;
    let challenge = mailed_challenge(node, "guide").await;
    let validate = |code: &str| json!({"username": "guide", "code": code, "challenge_id": challenge});
    samples.push(Sample::new(
        "/auth/validate-2fa",
        "",
        validate("000000"),
        validate("000001"),
    ));
    let user = node.tokens_of_new_user("logs-out").await;
    let out = json!({"refresh_token": user.refresh});
    samples.push(Sample::new(
        "/auth/logout",
        "",
        out,
        json!({"refresh_token": user.refresh, "x": 1}),
    ));
    let new = |name: &str| json!({"username": name, "email": format!("{name}@example.org"), "password1": PASSWORD, "password2": PASSWORD});
    samples.push(Sample::new(api::USER, "", new("signs-up"), new("signs-on")));
    node.sign_up("scans").await;
    let scan = |password: &str| json!({"username": "scans", "password": password});
    samples.push(Sample::new(api::QRCODE, "", scan(PASSWORD), scan("wrong")));
    let app = node.enrolled("logs-in").await;
    let login = |code: String| json!({"username": "logs-in", "password": PASSWORD, "security_code": code});
    samples.push(Sample::new(api::LOGIN, "", login(app.code(0)), login(app.wrong_code())));
    let user = node.tokens_of_new_user("renews").await;
    samples.push(Sample::new(api::REFRESH, &user.refresh, json!({}), json!({"x": 1})));
    let by_address = |password: &str| json!({"email": email, "password": password});
    samples.push(Sample::new(
        "/api/auth/login",
        "",
        by_address(PASSWORD),
        by_address("wrong"),
    ));
    let challenge = mailed_challenge(node, "guide").await;
    let verify = |code: &str| json!({"email": email, "otpCode": code, "challengeId": challenge});
    samples.push(Sample::new(
        "/api/auth/verify-otp",
        "",
        verify("000000"),
        verify("000001"),
    ));
    for (name, path) in [("cookie-1", "/api/auth/refresh"), ("cookie-2", "/api/auth/logout")] {
        let user = node.tokens_of_new_user(name).await;
        let sample = Sample::new(path, "", json!({}), json!({"x": 1}));
        samples.push(sample.with_cookie("__Host-refresh_token", &user.refresh));
    }
    samples
}

pub(super) async fn administrators_sample(node: &Node, access: &str) -> Sample {
    let mut policy = node.v1(Method::GET, "/v1/admin/policy", access, None).await.json();
    policy.as_object_mut().unwrap().remove("version");
    let mut other = policy.clone();
    other["risk_new_device"] = json!(false);
    Sample::new("/v1/admin/policy/dry-run", access, policy, other)
}
