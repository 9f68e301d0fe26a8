//! `enrol_totp`: a TOTP seed for an account that has no confirmed factor yet.

use super::claim::{Claim, Code, Who};
use super::error::refusal;
use super::totp::Seed;
use super::{Auth, PendingTotp, ServiceError};
use crate::entropy;
use crate::http::context::RequestContext;
use auth_core::account::Account;
use auth_core::command::{Command, EnrolTotp, NewTotp};
use auth_core::ids::{AccountId, FactorId};
use auth_core::query;
use auth_core::reply::Reply;
use secrecy::SecretString;

/// The verb in the log.
const VERB: &str = "enrol_totp";
/// What the owner's list of factors calls it, until he names it.
const LABEL: &str = "authenticator app";

impl Auth {
    /// Binds a pending seed after the right password, and shows it. Refused while a factor is bound: a password alone
    /// must not change that (OTP-8). Counts as a login attempt.
    ///
    /// # Errors
    /// `Denied` with `InvalidCredentials`, `TooManyAttempts`, `AlreadyEnrolled` or `AccountDisabled`; `Replaced`.
    pub async fn enrol_totp(
        &self,
        ctx: &RequestContext,
        username: &str,
        password: &SecretString,
    ) -> Result<PendingTotp, ServiceError> {
        let fresh = FreshSeed::draw();
        let claim = Claim {
            verb: VERB,
            who: Who::Named(username),
            password,
            code: Code::Absent,
        };
        let guessed = self
            .guess(ctx, &claim, |known, _| fresh.command(self, &known.account))
            .await?;
        let Reply::TotpPending { factor, expires_at } = guessed.reply else {
            return Err(refusal(VERB, &guessed.reply));
        };
        // The seed that is stored is shown, not the one that was just drawn: a retry got the first one's reply.
        let factors = query::factors(&self.inner.replication.view(), guessed.account)?;
        match factors.iter().find(|stored| stored.id == factor && !stored.is_bound()) {
            Some(stored) => Ok(Seed::open(&self.inner.ring, stored)?.shown_to(&guessed.username, expires_at)),
            // Confirmed, or replaced by a later request: a seed that is bound is never shown (OTP-8).
            None => Err(ServiceError::Replaced),
        }
    }
}

/// A seed that was drawn for a factor that does not exist yet.
pub(super) struct FreshSeed {
    seed: Seed,
    factor: FactorId,
}

impl FreshSeed {
    pub(super) fn draw() -> Self {
        Self {
            seed: Seed::draw(),
            factor: FactorId(entropy::bytes()),
        }
    }

    /// What binds the seed to an account, sealed for it.
    pub(super) fn seal(&self, auth: &Auth, account: AccountId) -> Result<NewTotp, ServiceError> {
        self.seal_as(auth, account, LABEL)
    }

    /// The same under a name that its owner chose.
    pub(super) fn seal_as(&self, auth: &Auth, account: AccountId, label: &str) -> Result<NewTotp, ServiceError> {
        Ok(NewTotp {
            factor: self.factor,
            seed: self.seed.seal(&auth.inner.ring, account, self.factor)?,
            label: label.to_owned(),
        })
    }

    fn command(&self, auth: &Auth, account: &Account) -> Result<Command, ServiceError> {
        let new = self.seal(auth, account.id)?;
        Ok(Command::EnrolTotp(EnrolTotp {
            account: account.id,
            base_seq: account.auth_seq,
            factor: new.factor,
            seed: new.seed,
            label: new.label,
        }))
    }
}
