//! `authenticate`: who asks. Reads only.

use super::{Auth, Authenticated, ServiceError, effective_now};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::account::AccountStatus;
use auth_core::query;

impl Auth {
    /// The account and session of an access token. The token alone is not enough: behind a read barrier the session must
    /// still live and the account be active, so that what was ended anywhere is refused everywhere at once (SE-2). What
    /// is looked up is the session id inside the verified token, never the token itself (JW-8).
    ///
    /// # Errors
    /// `Unauthenticated`; `Unavailable` when there is no quorum to ask.
    pub async fn authenticate(&self, ctx: &RequestContext, access_token: &str) -> Result<Authenticated, ServiceError> {
        let inner = &self.inner;
        if !inner.signing.is_ready() {
            return Err(ServiceError::Unavailable { not_executed: true });
        }
        // Before the barrier, so that forged tokens do not reach the leader.
        let shown = inner
            .verifier
            .access(&inner.signing, access_token, clock::now())
            .map_err(super::token_refused)?;
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let session = query::session(&view, shown.session)?
            .filter(|session| session.is_live(now) && session.account == shown.account)
            .ok_or(ServiceError::Unauthenticated)?;
        let account = query::account(&view, session.account)?
            .filter(|account| account.status == AccountStatus::Active)
            .ok_or(ServiceError::Unauthenticated)?;
        Ok(Authenticated { account, session })
    }
}
