//! The dialect of passwords and TOTP as a client sees it: six calls, statuses and bodies, no opinions.

use auth_api::dialect_003::{LOGIN, QRCODE, REFRESH, USER, USER_INFO};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Somebody with an account, or about to have one.
#[derive(Clone)]
pub struct Person {
    /// Name to log in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

impl Person {
    /// Names and a long password of their own for every `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            username: name.to_owned(),
            email: format!("{name}@example.org"),
            password: format!("zq7 canary {name} lantern"),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// A text field of the body; empty when there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }
}

/// A call, to be filled in.
#[derive(Clone, Debug, Default)]
pub struct Call {
    method: String,
    path: String,
    bearer: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

impl Call {
    /// A call without anything but its path.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// With a token; none for an empty one.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned()).filter(|token| !token.is_empty());
        self
    }

    /// With a body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A client of one load balancer.
#[derive(Clone)]
pub struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// Talks to `url`.
    #[must_use]
    pub fn new(client: Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
        }
    }

    /// Where it talks to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an account.
    ///
    /// # Errors
    /// No answer.
    pub async fn create(&self, person: &Person) -> Result<Answer, String> {
        let Person {
            username,
            email,
            password,
        } = person;
        self.post(
            USER,
            &json!({"username": username, "email": email, "password1": password, "password2": password}),
        )
        .await
    }

    /// Begins enrolment; the answer has the seed.
    ///
    /// # Errors
    /// No answer.
    pub async fn enrol(&self, person: &Person) -> Result<Answer, String> {
        self.post(
            QRCODE,
            &json!({"username": person.username, "password": person.password}),
        )
        .await
    }

    /// Logs in.
    ///
    /// # Errors
    /// No answer.
    pub async fn log_in(&self, person: &Person, code: &str) -> Result<Answer, String> {
        let body = json!({"username": person.username, "password": person.password, "security_code": code});
        self.post(LOGIN, &body).await
    }

    /// Takes new tokens for a refresh token.
    ///
    /// # Errors
    /// No answer.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Answer, String> {
        self.finish(
            self.client
                .post(format!("{}{REFRESH}", self.url))
                .bearer_auth(refresh_token),
        )
        .await
    }

    /// Asks who the bearer is.
    ///
    /// # Errors
    /// No answer.
    pub async fn user_info(&self, access_token: &str) -> Result<Answer, String> {
        self.finish(
            self.client
                .get(format!("{}{USER_INFO}", self.url))
                .bearer_auth(access_token),
        )
        .await
    }

    /// Makes any call of any surface.
    ///
    /// # Errors
    /// No answer.
    pub async fn call(&self, call: Call) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|e| e.to_string())?;
        let mut request = self.client.request(method, format!("{}{}", self.url, call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &call.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        self.finish(request).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.finish(self.client.post(format!("{}{path}", self.url)).json(body))
            .await
    }

    /// Any call of the contract, as `bearer` if there is one.
    ///
    /// # Errors
    /// No answer.
    pub async fn send(&self, method: Method, path: &str, bearer: &str, body: Option<&Value>) -> Result<Answer, String> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.finish(request).await
    }

    /// Replaces something, if it still has this version.
    ///
    /// # Errors
    /// No answer.
    pub async fn replace(&self, path: &str, bearer: &str, version: u64, body: &Value) -> Result<Answer, String> {
        let request = self.client.put(format!("{}{path}", self.url)).bearer_auth(bearer);
        self.finish(request.header("if-match", format!("\"{version}\"")).json(body))
            .await
    }

    /// Posts bytes of any kind.
    ///
    /// # Errors
    /// No answer.
    pub async fn post_raw(&self, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Result<Answer, String> {
        let request = self.client.post(format!("{}{path}", self.url)).body(body);
        let request = match content_type {
            Some(kind) => request.header("content-type", kind),
            None => request,
        };
        self.finish(request).await
    }

    async fn finish(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let answer = request
            .header("accept", "application/json")
            .send()
            .await
            .map_err(|e| explain(&e))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(|e| explain(&e))?;
        Ok(Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }
}

/// An error of the client with its causes, which its own text leaves out.
fn explain(e: &reqwest::Error) -> String {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
