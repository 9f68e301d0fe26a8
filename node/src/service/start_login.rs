//! `start_login`: the password was right, the second factor is awaited.

use super::claim::{Claim, Code, Who};
use super::enrol_totp::FreshSeed;
use super::error::refusal;
use super::{Auth, ServiceError, StartedLogin, challenge};
use crate::entropy;
use crate::http::context::RequestContext;
use auth_core::command::{Command, StartLogin};
use auth_core::factor::Factor;
use auth_core::ids::ChallengeId;
use auth_core::reply::Reply;
use secrecy::SecretString;

impl Auth {
    /// Opens a challenge. An account that is not bound to a factor also gets a pending TOTP seed, so that the challenge
    /// can be answered: see [`Auth::pending_totp`].
    ///
    /// # Errors
    /// `Denied` with `InvalidCredentials`, `TooManyAttempts` or, after the right password, `AccountDisabled`.
    pub async fn start_login(
        &self,
        ctx: &RequestContext,
        username: &str,
        password: &SecretString,
    ) -> Result<StartedLogin, ServiceError> {
        self.require_signing_key()?;
        let id = ChallengeId(entropy::bytes());
        let fresh = FreshSeed::draw();
        let claim = Claim {
            verb: "start_login",
            who: Who::Named(username),
            password,
            code: Code::Absent,
        };
        let guessed = self
            .guess(ctx, &claim, |known, _| {
                let account = &known.account;
                let bound = known.factors.iter().any(Factor::is_bound);
                let enrol = (!bound).then(|| fresh.seal(self, account.id)).transpose()?;
                Ok(Command::StartLogin(StartLogin {
                    account: account.id,
                    base_seq: account.auth_seq,
                    challenge: id,
                    enrol,
                }))
            })
            .await?;
        let Reply::ChallengeStarted {
            challenge,
            expires_at,
            bound,
        } = guessed.reply
        else {
            return Err(refusal("start_login", &guessed.reply));
        };
        Ok(StartedLogin {
            challenge: challenge::cookie(&self.inner.ring, challenge),
            expires_at,
            bound,
        })
    }
}
