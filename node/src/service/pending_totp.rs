//! `pending_totp`: the seed that waits for its first code, for the page that shows it. Reads only.

use super::totp::Seed;
use super::{Auth, PendingTotp, ServiceError, challenge, effective_now};
use crate::http::context::RequestContext;
use auth_core::factor::{Factor, FactorState};
use auth_core::query;
use auth_core::reply::Denial;

impl Auth {
    /// The pending seed of the account that a live challenge is about. A bound seed is never shown (OTP-8).
    ///
    /// # Errors
    /// `Denied` with `ChallengeGone` (also when the seed is void: log in again) or `AlreadyEnrolled`.
    pub async fn pending_totp(&self, ctx: &RequestContext, challenge: &str) -> Result<PendingTotp, ServiceError> {
        let gone = || ServiceError::Denied(Denial::ChallengeGone {});
        let id = challenge::read(&self.inner.ring, challenge).ok_or_else(gone)?;
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let found = query::challenge(&view, id)?
            .filter(|challenge| now < challenge.expires_at)
            .ok_or_else(gone)?;
        let account = query::account(&view, found.account)?.ok_or_else(gone)?;
        let factors = query::factors(&view, account.id)?;
        if factors.iter().any(Factor::is_bound) {
            return Err(ServiceError::Denied(Denial::AlreadyEnrolled {}));
        }
        let factor = query::answerable(&factors, now).ok_or_else(gone)?;
        let expires_at = match factor.state {
            FactorState::Pending { expires_at } => expires_at,
            FactorState::Confirmed { .. } | FactorState::Disabled { .. } => return Err(gone()),
        };
        Ok(Seed::open(&self.inner.ring, factor)?.shown_to(&account.username, expires_at))
    }
}
