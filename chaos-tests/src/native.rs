//! A client of the native API and of the operator's command line, for tests of whole clusters. No opinions.

use crate::api::Answer;
use crate::clock;
use cluster_harness::cluster::Cluster;
use cluster_harness::first_login::totp_code;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::process::{Command, Output};

/// A client of one load balancer.
#[derive(Clone)]
pub struct Native {
    client: Client,
    url: String,
    bearer: Option<String>,
}

impl Native {
    /// Of the cluster's first load balancer, not logged in.
    ///
    /// # Errors
    /// Not expected.
    pub fn new(cluster: &Cluster) -> Result<Self, String> {
        Ok(Self {
            client: cluster.client().map_err(|e| e.to_string())?,
            url: cluster
                .urls()
                .first()
                .cloned()
                .ok_or("the cluster has no load balancer")?,
            bearer: None,
        })
    }

    /// The same by a client that comes from another address.
    #[must_use]
    pub fn by(&self, client: reqwest::Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// The same with an access token.
    #[must_use]
    pub fn bearing(&self, access_token: &str) -> Self {
        Self {
            bearer: Some(access_token.to_owned()),
            ..self.clone()
        }
    }

    /// The access token, where there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    /// One call.
    ///
    /// # Errors
    /// No answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        self.call_with(method, path, &[], body).await
    }

    /// `POST`.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `GET`.
    ///
    /// # Errors
    /// No answer.
    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.call(Method::GET, path, None).await
    }

    /// One call with more headers.
    ///
    /// # Errors
    /// No answer.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|e| format!("{path}: {e:?}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(|e| format!("{path}: {e:?}"))?;
        Ok(Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    /// The first account as an administrator with two factors: made one if it is none yet.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub async fn administrator(&self, cluster: &Cluster) -> Result<Self, String> {
        let admin = cluster.admin().map_err(|e| e.to_string())?;
        let secret = admin.totp_secret.clone().ok_or("the first account has no factor")?;
        // Refused the second time, when there is an administrator.
        tfauth(cluster, "node-1", &["admin", "bootstrap", &admin.username])?;
        let mut said = Value::Null;
        for step in [clock::step(), clock::step() + 1, clock::step() - 1] {
            let code = totp_code(&secret, step * clock::STEP_SECONDS).map_err(|e| e.to_string())?;
            let body =
                json!({"identifier": admin.username, "password": admin.password, "method": "totp", "code": code});
            let answer = self.post("/v1/login", &body).await?;
            if answer.status == 200 {
                return Ok(self.bearing(&answer.text("access_token")));
            }
            said = answer.body;
        }
        Err(format!("the administrator cannot log in: {said}"))
    }

    /// Makes the policy ask nobody by chance: a test must not depend on the draw of an account. For administrators.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub async fn ask_nobody_by_chance(&self) -> Result<(), String> {
        let path = "/v1/admin/policy";
        let seen = self.get(path).await?;
        let tag = seen
            .headers
            .get("etag")
            .and_then(|tag| tag.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let mut policy = seen.body;
        if let Some(fields) = policy.as_object_mut() {
            fields.remove("version");
            fields.insert("risk_share_permyriad".into(), json!(0));
        }
        let put = self
            .call_with(Method::PUT, path, &[("if-match", &tag)], Some(&policy))
            .await?;
        if put.status == 200 {
            return Ok(());
        }
        Err(format!("the policy was answered with {}: {}", put.status, put.body))
    }
}

/// The operator's command line at one node.
///
/// # Errors
/// It cannot be started.
pub fn tfauth(cluster: &Cluster, node: &str, arguments: &[&str]) -> Result<Output, String> {
    Command::new(cluster.members().ctl())
        .args(arguments)
        .arg("--data")
        .arg(cluster.layout().data(node))
        .output()
        .map_err(|e| format!("cannot run tfauth: {e}"))
}

/// The same for commands that print JSON and must succeed.
///
/// # Errors
/// It does not succeed, or prints something else.
pub fn tfauth_json(cluster: &Cluster, node: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = tfauth(cluster, node, arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("tfauth {arguments:?} ended with {}: {said}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("tfauth {arguments:?}: {e}"))
}
