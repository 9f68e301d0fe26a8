//! The verbs and the dialect against a real store of one member, through the router that the node serves.

mod apps;
mod budgets;
mod dialect;
mod dialect_002;
mod dialect_004;
mod documented;
mod mails;
mod overload;
mod pages_flow;
mod passwords;
mod refusals;
mod registration;
mod secrecy_rules;
mod sessions;
mod surface;
mod v1_account;
mod v1_admin;
mod v1_devices;
mod v1_fields;
mod v1_idempotency;
mod v1_login;
mod v1_sessions;

use super::{Auth, AuthConfig, NewAccount};
use crate::hashing::{HashParams, HashPool, HashSettings};
use crate::http::context::RequestContext;
use crate::http::routes::{AppState, HttpConfig, router};
use crate::replication::Replication;
use crate::replication::testing::single_node_with;
use crate::secrets::KeyRing;
use crate::signing::SigningKeys;
use crate::{clock, entropy};
use auth_api::{dialect_003 as api, headers};
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use raft_store::Limits;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// First origin of the nodes under test.
const ORIGIN: &str = "https://localhost:8443";
/// A password that appears nowhere else, so that a leak of it is found.
const PASSWORD: &str = "canary-9f3c-test_password1";

/// Time for one request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of one member, and any number of nodes in front of it.
struct Bench {
    replication: Replication,
    ring: Arc<KeyRing>,
    signing: SigningKeys,
    _folder: TempDir,
}

/// One node: verbs and routes with a hash pool of their own.
#[derive(Clone)]
struct Node {
    auth: Auth,
    router: Router,
    hashing: HashPool,
}

/// What a call answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// One call, to be filled in.
struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let replication = single_node_with(folder.path(), limits).await;
        let ring = Arc::new(KeyRing::for_tests());
        let signing = SigningKeys::default();
        while !signing.ensure(&replication, &ring).await.unwrap() {}
        Self {
            replication,
            ring,
            signing,
            _folder: folder,
        }
    }

    fn node(&self) -> Node {
        self.node_with(true)
    }

    fn node_with(&self, public_profiles: bool) -> Node {
        self.node_hashing(public_profiles, HashParams::default())
    }

    fn node_hashing(&self, public_profiles: bool, params: HashParams) -> Node {
        self.node_resting(public_profiles, params, None)
    }

    /// A node whose sessions may rest for so many seconds.
    fn node_resting(&self, public_profiles: bool, params: HashParams, session_idle_seconds: Option<u64>) -> Node {
        let threads = NonZeroUsize::new(2).unwrap();
        let settings = HashSettings {
            threads,
            queue_max: 128,
            params,
        };
        let hashing = HashPool::start(settings).unwrap();
        let config = AuthConfig {
            issuer: ORIGIN.into(),
            audience: "tfauth".into(),
            access_seconds: 3600,
            refresh_seconds: 5_184_000,
            session_idle_seconds,
        };
        let auth = Auth::new(
            config,
            self.replication.clone(),
            self.ring.clone(),
            hashing.clone(),
            self.signing.clone(),
        );
        let http = HttpConfig {
            public_origins: vec![ORIGIN.into()],
            public_profiles,
            legacy_cookie_names: true,
        };
        let state = AppState {
            auth: auth.clone(),
            config: Arc::new(http),
            key_ring: self.ring.clone(),
        };
        Node {
            auth,
            router: router(state),
            hashing,
        }
    }
}

impl Node {
    async fn send(&self, call: Call) -> Answer {
        self.send_within(call, PATIENCE).await
    }

    async fn send_within(&self, call: Call, allowed: Duration) -> Answer {
        let (method, path) = (call.method.clone(), call.path.clone());
        let mut request = Request::builder().method(call.method).uri(call.path);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let body = call.body.map_or_else(Body::empty, Body::from);
        let mut request = request.body(body).unwrap();
        // As the server does; with more time, so that a busy machine does not turn answers into 503.
        let context = RequestContext::new(request.headers(), [192, 0, 2, 7].into(), allowed);
        request.extensions_mut().insert(context);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        };
        documented::assert_documented(&method, &path, &answer);
        answer
    }

    /// A call of the native API.
    async fn v1(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let mut call = Call {
            method,
            ..Call::get(path)
        };
        if !token.is_empty() {
            call = call.bearer(token);
        }
        self.send(match body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
    }

    /// Tokens of a user who has just proved both factors.
    async fn tokens_of_new_user(&self, name: &str) -> Pair {
        let app = self.enrolled(name).await;
        let answer = self.log_in(name, PASSWORD, &app.code(0)).await;
        Pair {
            access: answer.token("access_token"),
            refresh: answer.token("refresh_token"),
            app,
        }
    }

    async fn sign_up(&self, name: &str) -> Answer {
        let email = format!("{name}@example.org");
        let body = json!({"username": name, "email": email, "password1": PASSWORD, "password2": PASSWORD});
        self.send(Call::post(api::USER).json(&body)).await
    }

    /// The seed of a fresh enrolment, in base32.
    async fn enrol(&self, name: &str) -> Totp {
        let call = Call::post(api::QRCODE).header("accept", "application/json");
        let answer = self
            .send(call.json(&json!({"username": name, "password": PASSWORD})))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        Totp::new(answer.json()["secret"].as_str().unwrap())
    }

    /// An account that was enrolled and whose factor is not confirmed yet.
    async fn enrolled(&self, name: &str) -> Totp {
        assert_eq!(self.sign_up(name).await.status, StatusCode::CREATED);
        self.enrol(name).await
    }

    async fn log_in(&self, name: &str, password: &str, code: &str) -> Answer {
        self.send(login(name, password, code)).await
    }

    async fn user_info(&self, access: &str) -> StatusCode {
        self.send(Call::get(api::USER_INFO).bearer(access)).await.status
    }
}

/// Tokens, and the app that opened them.
struct Pair {
    access: String,
    refresh: String,
    app: Totp,
}

fn login(name: &str, password: &str, code: &str) -> Call {
    Call::post(api::LOGIN).json(&json!({"username": name, "password": password, "security_code": code}))
}

impl Call {
    fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    fn post(path: &str) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(path)
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn operation(self, operation: [u8; 16]) -> Self {
        self.header(headers::OPERATION, &format!("{:032x}", u128::from_be_bytes(operation)))
    }

    fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }

    fn token(&self, name: &str) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()[name].as_str().unwrap().to_owned()
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap());
        let mut pairs = cookies.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

/// An authenticator app.
struct Totp(totp_rs::Totp);

impl Totp {
    fn new(base32: &str) -> Self {
        let secret = totp_rs::Secret::try_from_base32(base32).unwrap();
        Self(totp_rs::Builder::new().with_secret(secret).build().unwrap())
    }

    /// The code of the current step, or so many steps later. A test that asks for several must use them in this order.
    fn code(&self, steps: i64) -> String {
        let now = clock::now().seconds().checked_add_signed(steps * 30).unwrap();
        self.0.generate(now).to_string()
    }

    /// Digits that no step near now has.
    fn wrong_code(&self) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code(steps)).collect();
        (0..)
            .map(|n| format!("{n:06}"))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}

/// Surroundings of a call to a verb itself.
fn context() -> RequestContext {
    context_of(entropy::bytes())
}

fn context_of(operation: [u8; 16]) -> RequestContext {
    let mut context = RequestContext::new(&HeaderMap::new(), [192, 0, 2, 7].into(), PATIENCE);
    context.operation = operation;
    context
}

fn password() -> SecretString {
    SecretString::from(PASSWORD)
}
