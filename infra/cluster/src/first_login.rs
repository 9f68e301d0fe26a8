//! The first account, made as a user would make it: through a load balancer, by the public API, with a second factor.
//! Proves that the cluster does its job before anybody is told that it is up.

use crate::clock;
use crate::description::Admin;
use crate::entropy;
use crate::error::{Error, Result};
use crate::http::explain;
use crate::limits::POLL;
use auth_api::dialect_003::{LOGIN, QRCODE, USER};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use totp_rs::{Builder, Secret};

/// Credentials for the first account; it does not exist yet.
///
/// # Errors
/// The system gives no random numbers.
pub fn invent_admin() -> Result<Admin> {
    Ok(Admin {
        username: "admin".to_owned(),
        email: "admin@localhost.localdomain".to_owned(),
        password: format!("dev-{}", entropy::hex::<16>()?),
        totp_secret: None,
    })
}

/// The code that an authenticator app shows at a time (seconds since 1970) for a base32 seed.
///
/// # Errors
/// The seed is not base32.
pub fn totp_code(secret: &str, unix_seconds: u64) -> Result<String> {
    let secret = Secret::try_from_base32(secret).map_err(|e| Error::fault(format!("the seed is not base32: {e:?}")))?;
    let totp = Builder::new().with_secret(secret).with_account_name("admin").build();
    Ok(totp
        .map_err(|e| Error::fault(format!("the seed is not usable: {e}")))?
        .generate(unix_seconds)
        .to_string())
}

/// One attempt at something, repeated while the cluster is not ready for it.
enum Attempt<T> {
    Done(T),
    /// The cluster cannot yet; why.
    Later(String),
}

/// Talks to one load balancer until a deadline.
pub struct Front<'a> {
    /// Trusts the cluster's authority.
    pub client: &'a Client,
    /// Origin of the load balancer.
    pub url: &'a str,
    /// When to give up.
    pub deadline: Instant,
}

impl Front<'_> {
    /// Creates the account; an account that exists already is left as it is.
    ///
    /// # Errors
    /// The cluster refused, or did not answer until the deadline.
    pub async fn create(&self, admin: &Admin) -> Result<()> {
        let body = json!({"username": admin.username, "email": admin.email, "password1": admin.password, "password2": admin.password});
        self.repeat("create the first account", USER, &body, |status, answer| match status {
            StatusCode::CREATED | StatusCode::CONFLICT => Ok(Attempt::Done(())),
            other => later_or_fault("creating the first account", other, &answer),
        })
        .await
    }

    /// Begins enrolment; returns the seed.
    ///
    /// # Errors
    /// As [`Front::create`].
    pub async fn enrol(&self, admin: &Admin) -> Result<String> {
        let body = json!({"username": admin.username, "password": admin.password});
        self.repeat("enrol the first account", QRCODE, &body, |status, answer| {
            match (status, answer["secret"].as_str()) {
                (StatusCode::CREATED, Some(secret)) => Ok(Attempt::Done(secret.to_owned())),
                (other, _) => later_or_fault("enrolling the first account", other, &answer),
            }
        })
        .await
    }

    /// Logs in with the code of now. `false`: the code or the password is not accepted.
    ///
    /// # Errors
    /// As [`Front::create`].
    pub async fn log_in(&self, admin: &Admin, secret: &str) -> Result<bool> {
        let code = totp_code(secret, clock::unix_seconds())?;
        let body = json!({"username": admin.username, "password": admin.password, "security_code": code});
        self.repeat(
            "log in for the first time",
            LOGIN,
            &body,
            |status, answer| match status {
                StatusCode::OK => Ok(Attempt::Done(true)),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Attempt::Done(false)),
                other => later_or_fault("the first login", other, &answer),
            },
        )
        .await
    }

    /// Waits until a login is decided by a quorum, without touching anybody's codes: a name that does not exist.
    ///
    /// # Errors
    /// As [`Front::create`].
    pub async fn wait_for_quorum(&self) -> Result<()> {
        let body = json!({"username": format!("nobody-{}", entropy::hex::<6>()?), "password": "no such password", "security_code": "000000"});
        self.repeat("wait for a quorum", LOGIN, &body, |status, answer| match status {
            StatusCode::UNAUTHORIZED => Ok(Attempt::Done(())),
            other => later_or_fault("a login of nobody", other, &answer),
        })
        .await
    }

    async fn repeat<T>(
        &self,
        what: &str,
        path: &str,
        body: &Value,
        judge: impl Fn(StatusCode, Value) -> Result<Attempt<T>>,
    ) -> Result<T> {
        loop {
            let attempt = match self.post(path, body).await {
                Ok((status, answer)) => judge(status, answer)?,
                Err(reason) => Attempt::Later(reason),
            };
            let reason = match attempt {
                Attempt::Done(value) => return Ok(value),
                Attempt::Later(reason) => reason,
            };
            if Instant::now() > self.deadline {
                return Err(Error::fault(format!(
                    "gave up trying to {what} at {}: the last answer was: {reason}",
                    self.url
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn post(&self, path: &str, body: &Value) -> std::result::Result<(StatusCode, Value), String> {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("accept", "application/json")
            .json(body);
        let answer = request.send().await.map_err(|e| explain(&e))?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }
}

fn later_or_fault<T>(what: &str, status: StatusCode, answer: &Value) -> Result<Attempt<T>> {
    // Only the message: an answer may carry a secret.
    let said = format!("{status} {}", answer["detail"].as_str().unwrap_or(""));
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(Attempt::Later(said));
    }
    Err(Error::fault(format!(
        "{what} was answered with {}: the nodes' logs tell more",
        said.trim()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otp_1_codes_are_those_of_rfc_6238() {
        // The seed of appendix B; six digits are the last six of the eight that it lists.
        let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(totp_code(seed, 59).unwrap(), "287082");
        assert_eq!(totp_code(seed, 1_111_111_109).unwrap(), "081804");
        assert!(totp_code("not base32!", 59).is_err());
    }

    #[test]
    fn invented_credentials_differ_and_are_long() {
        let (one, two) = (invent_admin().unwrap(), invent_admin().unwrap());
        assert_ne!(one.password, two.password);
        assert!(one.password.len() >= 32);
    }
}
