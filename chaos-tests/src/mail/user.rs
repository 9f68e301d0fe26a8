//! Somebody whose codes come by mail, and the two dialects that he logs in by.

use super::{MailServer, code_in, token_in};
use crate::api::{Answer, Person};
use crate::native::Native;
use reqwest::Method;
use serde_json::{Value, json};

/// A person with an account and a proven address.
pub struct MailUser {
    /// Name, address, password: long enough to be the only factor.
    pub person: Person,
}

impl MailUser {
    /// Signs up and proves the address.
    ///
    /// # Errors
    /// A step was answered otherwise than it should, or no mail came.
    pub async fn sign_up(native: &Native, server: &MailServer, name: &str) -> Result<Self, String> {
        let person = Person::new(name);
        let Person {
            username,
            email,
            password,
        } = &person;
        let body = json!({"username": username, "email": email, "password": password});
        expect(201, &native.post("/v1/accounts", &body).await?)?;
        let mail = server.mail(email, "Confirm your mail address").await?;
        let token = token_in(&mail.text).ok_or_else(|| format!("no token: {}", mail.text))?;
        expect(
            204,
            &native
                .post("/v1/account/email/confirm", &json!({"code": token}))
                .await?,
        )?;
        Ok(Self { person })
    }

    /// Signs up, proves the address and turns mailed codes on, as a client of the mailed code dialect does.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub async fn with_codes(native: &Native, server: &MailServer, name: &str) -> Result<Self, String> {
        let user = Self::sign_up(native, server, name).await?;
        let plain = user.log_in_002(native).await?;
        expect(200, &plain)?;
        let body = json!({"twofa_enabled": true, "email": user.person.email});
        let path = "/users/update-profile/";
        let on = native
            .bearing(&plain.text("access"))
            .call(Method::PUT, path, Some(&body))
            .await?;
        expect(200, &on)?;
        Ok(user)
    }

    /// The first step of the mailed code dialect.
    ///
    /// # Errors
    /// No answer.
    pub async fn log_in_002(&self, native: &Native) -> Result<Answer, String> {
        let body = json!({"username": self.person.username, "password": self.person.password});
        native.post("/auth/login/", &body).await
    }

    /// The first step of the conditional OTP dialect.
    ///
    /// # Errors
    /// No answer.
    pub async fn log_in_004(&self, native: &Native) -> Result<Answer, String> {
        let body = json!({"email": self.person.email, "password": self.person.password});
        native.post("/api/auth/login", &body).await
    }

    /// The second step of the mailed code dialect, with the code that was mailed last.
    ///
    /// # Errors
    /// No mail, or no answer.
    pub async fn validate_002(&self, native: &Native, code: &str, first: &Answer) -> Result<Answer, String> {
        let challenge = &first.body["challenge_id"];
        let body = json!({"username": self.person.username, "code": code, "challenge_id": challenge});
        native.post("/auth/validate-2fa/", &body).await
    }

    /// The second step of the conditional OTP dialect.
    ///
    /// # Errors
    /// No answer.
    pub async fn verify_004(&self, native: &Native, code: &str, first: &Answer) -> Result<Answer, String> {
        let challenge = &first.body["error"]["details"]["challengeId"];
        let body = json!({"email": self.person.email, "otpCode": code, "challengeId": challenge});
        native.post("/api/auth/verify-otp", &body).await
    }

    /// The code that was mailed to him, other than `before`.
    ///
    /// # Errors
    /// None came.
    pub async fn mailed_code(&self, server: &MailServer, before: Option<&str>) -> Result<String, String> {
        loop {
            let mail = server.mail(&self.person.email, "Your login code").await?;
            let code = code_in(&mail.text).ok_or_else(|| format!("no code: {}", mail.text))?;
            if before != Some(code.as_str()) {
                return Ok(code);
            }
            tokio::time::sleep(crate::limits::POLL).await;
        }
    }
}

/// Whether an answer has the status that it should have.
///
/// # Errors
/// It has another one; with the body.
pub fn expect(status: u16, answer: &Answer) -> Result<&Value, String> {
    if answer.status == status {
        return Ok(&answer.body);
    }
    Err(format!("{} instead of {status}: {}", answer.status, answer.body))
}
