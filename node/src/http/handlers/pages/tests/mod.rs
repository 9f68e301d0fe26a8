//! The pages through the router, with a real one-member store behind: a browser with a cookie jar clicks through them.

mod flow;
mod guards;

use crate::clock;
use crate::hashing::{HashParams, HashPool, HashSettings};
use crate::http::handlers::pages::assets::STYLE;
use crate::http::routes::{AppState, HttpConfig, router};
use crate::replication::Replication;
use crate::replication::testing::single_node;
use crate::secrets::KeyRing;
use crate::service::{Auth, AuthConfig};
use crate::signing::SigningKeys;
use auth_core::limits::TOTP_STEP_SECONDS;
use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// What Chromium sends when a page is opened.
const ACCEPT_PAGES: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const ORIGIN: &str = "https://localhost:8443";
/// Making an RSA key is slow on a busy machine.
const SIGNING_KEY_WITHIN: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";

/// An answer, read to its end.
struct Shown {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Shown {
    /// The hidden field of its form.
    fn token(&self) -> String {
        let start = self
            .body
            .split_once("name=\"form_token\" value=\"")
            .expect("the page has a form")
            .1;
        start.split_once('"').unwrap().0.to_owned()
    }

    fn location(&self) -> &str {
        self.headers
            .get(LOCATION)
            .map(|to| to.to_str().unwrap())
            .unwrap_or_default()
    }

    fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|cookie| cookie.to_str().unwrap())
            .collect()
    }

    /// The key on the page that connects an app.
    fn secret(&self) -> String {
        let start = self
            .body
            .split_once("<p class=\"secret\"><code>")
            .expect("the page shows a key")
            .1;
        let shown = start.split_once("</code>").unwrap().0;
        shown.replace("<span>", "").replace("</span>", "").replace(' ', "")
    }

    fn is_sent_to(&self, path: &str) {
        assert_eq!(
            (self.status, self.location()),
            (StatusCode::SEE_OTHER, path),
            "{}",
            self.body
        );
    }

    fn shows(&self, status: StatusCode, text: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.body.contains(text), "{text} is not in {}", self.body);
    }
}

/// A browser with a cookie jar.
struct Browser {
    router: Router,
    jar: BTreeMap<String, String>,
}

impl Browser {
    fn new(app: &AppState) -> Self {
        Self {
            router: router(app.clone()),
            jar: BTreeMap::new(),
        }
    }

    async fn get(&mut self, path: &str) -> Shown {
        let request = Request::builder()
            .uri(path)
            .header("sec-fetch-site", "none")
            .header("sec-fetch-mode", "navigate");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Opens the page at `path`, fills its form and sends it.
    async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let token = self.get(path).await.token();
        self.post(path, &[fields, &[("form_token", token.as_str())]].concat())
            .await
    }

    /// Sends a form as this site's own page does.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.send(form(
            path,
            fields,
            &[("origin", ORIGIN), ("sec-fetch-site", "same-origin")],
        ))
        .await
    }

    async fn send(&mut self, mut request: Request<Body>) -> Shown {
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            request.headers_mut().insert(COOKIE, pairs.join("; ").parse().unwrap());
        }
        request
            .headers_mut()
            .entry(ACCEPT)
            .or_insert(ACCEPT_PAGES.parse().unwrap());
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let shown = Shown {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        for cookie in shown.set_cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if cookie.contains("Max-Age=0;") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        shown
    }
}

fn form(path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request<Body> {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let mut request = Request::builder().method(Method::POST).uri(path);
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.join("&"))).unwrap()
}

/// The node behind the pages; its folder goes when the test ends.
struct Node {
    replication: Replication,
    dir: tempfile::TempDir,
}

async fn app() -> (AppState, Node) {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let key_ring = Arc::new(KeyRing::for_tests());
    let signing = SigningKeys::default();
    let deadline = clock::monotonic() + SIGNING_KEY_WITHIN;
    while !signing.ensure(&replication, &key_ring).await.unwrap() {
        assert!(
            clock::monotonic() < deadline,
            "no signing key in {SIGNING_KEY_WITHIN:?}"
        );
        tokio::task::yield_now().await;
    }
    let settings = HashSettings {
        threads: NonZeroUsize::MIN,
        queue_max: 64,
        params: HashParams::default(),
    };
    let config = AuthConfig {
        issuer: ORIGIN.into(),
        audience: "tfauth".into(),
        access_seconds: 3600,
        refresh_seconds: 86_400,
        session_idle_seconds: None,
    };
    let pool = HashPool::start(settings).unwrap();
    let auth = Auth::new(config, replication.clone(), key_ring.clone(), pool, signing);
    let http = HttpConfig {
        public_origins: vec![ORIGIN.into()],
        public_profiles: true,
        legacy_cookie_names: false,
    };
    (
        AppState {
            auth,
            config: Arc::new(http),
            key_ring,
        },
        Node { replication, dir },
    )
}

impl Node {
    /// Closes the store before its folder goes.
    async fn stop(self) {
        self.replication.shutdown(Duration::from_secs(5)).await.unwrap();
        drop(self.dir);
    }
}

/// Signs up and opens the page that connects an app.
async fn sign_up_and_enrol(browser: &mut Browser, username: &str) -> String {
    let email = format!("{}@example.org", username.len());
    let fields = [
        ("username", username),
        ("email", &email),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    browser
        .fill("/signup", &fields)
        .await
        .is_sent_to("/login?notice=account_created");
    browser
        .fill("/login", &[("username", username), ("password", PASSWORD)])
        .await
        .is_sent_to("/login/enrol");
    browser.get("/login/enrol").await.secret()
}

/// The code of a key at a time step, as an app on a phone computes it.
fn code(secret: &str, step: u64) -> String {
    let seed = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new()
        .with_digits(6)
        .with_secret(seed.to_vec())
        .build()
        .unwrap();
    totp.generate(step * TOTP_STEP_SECONDS).to_string()
}

/// The time step of now. Its code and the next one's are good for as long as a test may take; each only once.
fn step() -> u64 {
    clock::now().seconds() / TOTP_STEP_SECONDS
}
