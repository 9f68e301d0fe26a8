//! `send_code`: a mailed code for a challenge, or another one. A new code does not refill the guesses (OTP-11).

use super::error::refusal;
use super::{Auth, ServiceError, challenge};
use crate::http::context::RequestContext;
use auth_core::command::{Command, SendCode};
use auth_core::reply::{Denial, Reply};

/// The verb in the log.
const VERB: &str = "send_code";

impl Auth {
    /// Sends a code. The mail's key is returned, to see how it fares.
    ///
    /// # Errors
    /// `Denied` with `ChallengeGone`, `MethodNotOffered` or `TooManyMails`.
    pub async fn send_code(&self, ctx: &RequestContext, challenge: &str) -> Result<u64, ServiceError> {
        self.admit(ctx)?;
        let gone = || ServiceError::Denied(Denial::ChallengeGone {});
        let id = challenge::read(&self.inner.ring, challenge).ok_or_else(gone)?;
        let code = self.new_code(id)?;
        let request_id = Self::request_id(ctx, VERB, &id.0);
        let command = Command::SendCode(SendCode { challenge: id, code });
        match self.propose(ctx, request_id, command).await? {
            Reply::CodeSent { mail, .. } => Ok(mail),
            other => Err(refusal(VERB, &other)),
        }
    }
}
