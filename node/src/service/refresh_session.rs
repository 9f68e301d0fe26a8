//! `refresh_session`: the next pair of tokens. Rotation, grace and reuse are the core's matter (RT-1, RT-2).

use super::error::refusal;
use super::{Auth, IssuedTokens, ServiceError};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::command::{Command, RefreshSession};
use auth_core::reply::Reply;

impl Auth {
    /// Rotates the tokens of a session.
    ///
    /// # Errors
    /// `Unauthenticated` for anything that is no refresh token of ours; `Denied(SessionRevoked)`.
    pub async fn refresh_session(
        &self,
        ctx: &RequestContext,
        refresh_token: &str,
    ) -> Result<IssuedTokens, ServiceError> {
        self.require_signing_key()?;
        let inner = &self.inner;
        let shown = inner
            .verifier
            .refresh(&inner.signing, refresh_token, clock::now())
            .map_err(super::token_refused)?;
        // Session and generation are part of the id: a retry shows the same token and gets the same reply.
        let subject = [shown.session.0.as_slice(), &shown.generation.to_be_bytes()].concat();
        let request_id = Self::request_id(ctx, "refresh_session", &subject);
        let command = Command::RefreshSession(RefreshSession {
            session: shown.session,
            generation: shown.generation,
        });
        let reply = self.propose(ctx, request_id, command).await?;
        let Reply::SessionRefreshed(grant) = reply else {
            return Err(refusal("refresh_session", &reply));
        };
        self.issue(ctx, &grant).await
    }
}
