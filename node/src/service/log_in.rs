//! `log_in`: password and code in one request. Which of the two was wrong is not told.

use super::claim::{Claim, Code, Compared, Who};
use super::error::refusal;
use super::{Auth, IssuedTokens, ServiceError};
use crate::http::context::RequestContext;
use auth_core::command::{Command, LogIn};
use auth_core::reply::Reply;
use secrecy::SecretString;

impl Auth {
    /// Opens a session when both factors are right. The first code from a pending seed confirms it.
    ///
    /// # Errors
    /// `Denied` with `InvalidCredentials` whichever part was wrong, `TooManyAttempts`, or, after the right password only,
    /// `EnrolmentRequired`, `AccountDisabled`, `FactorDisabled`.
    pub async fn log_in(
        &self,
        ctx: &RequestContext,
        username: &str,
        password: &SecretString,
        code: &str,
    ) -> Result<IssuedTokens, ServiceError> {
        self.require_signing_key()?;
        let new = self.new_session(ctx, false);
        let claim = Claim {
            verb: "log_in",
            who: Who::Named(username),
            password,
            code: Code::Totp(code),
        };
        let guessed = self
            .guess(ctx, &claim, |known, compared| {
                let account = &known.account;
                let code = match compared {
                    Compared::Totp(evidence) => *evidence,
                    Compared::Nothing | Compared::Answer(_) => None,
                };
                Ok(Command::LogIn(LogIn {
                    account: account.id,
                    base_seq: account.auth_seq,
                    code,
                    session: new.session,
                    session_seconds: new.seconds,
                    device: new.device.clone(),
                    idle_seconds: new.idle_seconds,
                }))
            })
            .await?;
        let Reply::SessionStarted(grant) = guessed.reply else {
            return Err(refusal("log_in", &guessed.reply));
        };
        self.issue(ctx, &grant).await
    }
}
