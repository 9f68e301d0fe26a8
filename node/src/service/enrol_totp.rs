//! `enrol_totp`: a TOTP seed for an account that has no confirmed factor yet.

use super::error::refusal;
use super::guess::{Claim, contended};
use super::limits::STALE_PROPOSALS_MAX;
use super::totp::Seed;
use super::{Auth, PendingTotp, ServiceError, effective_now};
use crate::entropy;
use crate::http::context::RequestContext;
use auth_core::account::Account;
use auth_core::command::{Command, EnrolTotp};
use auth_core::factor::Factor;
use auth_core::ids::{AccountId, FactorId};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
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
    /// `Denied` with `InvalidCredentials`, `TooManyAttempts`, `AlreadyEnrolled` or `AccountDisabled`.
    pub async fn enrol_totp(
        &self,
        ctx: &RequestContext,
        username: &str,
        password: &SecretString,
    ) -> Result<PendingTotp, ServiceError> {
        let fresh = FreshSeed::draw();
        let claim = Claim {
            verb: VERB,
            username,
            password,
            code: None,
        };
        let guessed = self
            .guess(ctx, &claim, |account, _| fresh.command(self, account))
            .await?;
        let Reply::TotpPending { factor, expires_at } = guessed.reply else {
            return Err(refusal(VERB, &guessed.reply));
        };
        // The seed that is stored is shown, not the one that was just drawn: a retry got the first one's reply.
        let factors = query::factors(&self.inner.replication.view(), guessed.account)?;
        match factors.iter().find(|stored| stored.id == factor && !stored.is_bound()) {
            Some(stored) => Ok(Seed::open(&self.inner.ring, stored)?.shown_to(&guessed.username, expires_at)),
            // Confirmed, or replaced by a later request: the answer of this one is no longer of use to anybody.
            None => Err(ServiceError::Unavailable { not_executed: false }),
        }
    }

    /// Binds a pending seed to an account whose password was right earlier in the same request, unless it has one.
    pub(super) async fn ensure_pending(&self, ctx: &RequestContext, id: AccountId) -> Result<(), ServiceError> {
        let fresh = FreshSeed::draw();
        let request_id = Self::request_id(ctx, VERB, &id.0);
        for _ in 0..=STALE_PROPOSALS_MAX {
            let Some(account) = self.account_without_factor(ctx, id).await? else {
                return Ok(());
            };
            let reply = self.propose(ctx, request_id, fresh.command(self, &account)?).await?;
            if matches!(
                reply,
                Reply::TotpPending { .. } | Reply::Denied(Denial::AlreadyEnrolled {})
            ) {
                return Ok(());
            }
            if !matches!(reply, Reply::Stale { .. }) {
                return Err(refusal(VERB, &reply));
            }
        }
        Err(contended())
    }

    /// The account, when it has neither a bound factor nor a pending one that can still be confirmed.
    async fn account_without_factor(
        &self,
        ctx: &RequestContext,
        id: AccountId,
    ) -> Result<Option<Account>, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let account = query::account(&view, id)?.ok_or(ServiceError::Denied(Denial::AccountGone {}))?;
        let factors = query::factors(&view, id)?;
        let has_one = factors.iter().any(Factor::is_bound) || query::answerable(&factors, now).is_some();
        Ok((!has_one).then_some(account))
    }
}

/// A seed that was drawn for a factor that does not exist yet.
struct FreshSeed {
    seed: Seed,
    factor: FactorId,
}

impl FreshSeed {
    fn draw() -> Self {
        Self {
            seed: Seed::draw(),
            factor: FactorId(entropy::bytes()),
        }
    }

    fn command(&self, auth: &Auth, account: &Account) -> Result<Command, ServiceError> {
        Ok(Command::EnrolTotp(EnrolTotp {
            account: account.id,
            base_seq: account.auth_seq,
            factor: self.factor,
            seed: self.seed.seal(&auth.inner.ring, account.id, self.factor)?,
            label: LABEL.to_owned(),
        }))
    }
}
