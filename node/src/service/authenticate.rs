//! `authenticate`: who asks. Reads only.

use super::{Auth, Authenticated, ServiceError, effective_now};
use crate::clock;
use crate::http::context::RequestContext;
use crate::replication::View;
use crate::signing::VerifiedToken;
use auth_core::account::{Account, AccountStatus};
use auth_core::factor::{Factor, Methods};
use auth_core::limits::STEP_UP_SECONDS;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::session::Session;
use auth_core::time::Timestamp;

impl Auth {
    /// Whose access token it is, by the token alone. Before anything is asked of the cluster, so that forged tokens do not
    /// reach the leader.
    ///
    /// # Errors
    /// `Unauthenticated`; `Unavailable` while there is no key to check it with.
    pub fn access_token(&self, token: &str) -> Result<VerifiedToken, ServiceError> {
        let inner = &self.inner;
        self.require_signing_key()?;
        inner
            .verifier
            .access(&inner.signing, token, clock::now())
            .map_err(super::token_refused)
    }

    /// The same for a refresh token.
    ///
    /// # Errors
    /// See [`Self::access_token`].
    pub fn refresh_token(&self, token: &str) -> Result<VerifiedToken, ServiceError> {
        let inner = &self.inner;
        self.require_signing_key()?;
        inner
            .verifier
            .refresh(&inner.signing, token, clock::now())
            .map_err(super::token_refused)
    }

    /// The account and session of an access token. The token alone is not enough: behind a read barrier the session must
    /// still live and the account be active, so that what was ended anywhere is refused everywhere at once (SE-2). What
    /// is looked up is the session id inside the verified token, never the token itself (JW-8).
    ///
    /// # Errors
    /// `Unauthenticated`; `Unavailable` when there is no quorum to ask.
    pub async fn authenticate(
        &self,
        ctx: &RequestContext,
        shown: VerifiedToken,
    ) -> Result<Authenticated, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let found = self.rows_of(&view, shown, now)?;
        let lives = found.session.is_live(now) && found.account.status == AccountStatus::Active;
        lives.then_some(found).ok_or(ServiceError::Unauthenticated)
    }

    /// The same of a session that may be over, for answers that were given already. Nothing may be done with it.
    ///
    /// # Errors
    /// See [`Self::authenticate`].
    pub async fn session_of(&self, ctx: &RequestContext, shown: VerifiedToken) -> Result<Authenticated, ServiceError> {
        let view = self.current_view(ctx).await?;
        self.rows_of(&view, shown, effective_now(&view)?)
    }

    fn rows_of(&self, view: &View, shown: VerifiedToken, now: Timestamp) -> Result<Authenticated, ServiceError> {
        let session = query::session(view, shown.session)?
            .filter(|session| session.account == shown.account)
            .ok_or(ServiceError::Unauthenticated)?;
        let account = query::account(view, session.account)?.ok_or(ServiceError::Unauthenticated)?;
        let is_fresh = is_fresh(&session, &account, &query::factors(view, account.id)?, now);
        Ok(Authenticated {
            account,
            session,
            is_fresh,
        })
    }
}

impl Auth {
    /// Whether this very request has ended the session of its own token: then its answer was lost on the way, and the load
    /// balancer repeats what would otherwise be refused for want of a session.
    ///
    /// # Errors
    /// `Unauthenticated` for what is no access token of ours.
    pub async fn repeats_its_own_end(&self, ctx: &RequestContext, access_token: &str) -> Result<bool, ServiceError> {
        let inner = &self.inner;
        let shown = inner
            .verifier
            .access(&inner.signing, access_token, clock::now())
            .map_err(super::token_refused)?;
        let view = self.current_view(ctx).await?;
        let ends = [
            ("end_session", shown.session.0),
            ("end_sessions", shown.session.0),
            ("delete_account", shown.account.0),
        ];
        for (verb, subject) in ends {
            let reply = query::reply(&view, Self::request_id(ctx, verb, &subject))?;
            if reply.is_some_and(|reply| !matches!(reply, Reply::Denied(_))) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The core decides by the same rule; here it spares work that would be refused.
fn is_fresh(session: &Session, account: &Account, factors: &[Factor], now: Timestamp) -> bool {
    let proved = session.proved.0;
    let enough = if factors.iter().any(Factor::is_bound) {
        proved.is_aal2()
    } else {
        account.email_factor_since.is_none() || proved.has(Methods::EMAIL) || proved.is_aal2()
    };
    enough && now <= session.auth_time.plus_seconds(STEP_UP_SECONDS)
}
