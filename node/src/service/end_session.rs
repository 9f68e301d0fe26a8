//! `end_session`: from now on its tokens open nothing, on no node.

use super::error::refusal;
use super::{Auth, ServiceError};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::command::{Command, EndSession};
use auth_core::reply::Reply;

impl Auth {
    /// Ends the session of an access token. Ending one that is over already is no error (SE-2).
    ///
    /// # Errors
    /// `Unauthenticated` for anything that is no access token of ours.
    pub async fn end_session(&self, ctx: &RequestContext, access_token: &str) -> Result<(), ServiceError> {
        let inner = &self.inner;
        let shown = inner
            .verifier
            .access(&inner.signing, access_token, clock::now())
            .map_err(super::token_refused)?;
        let request_id = Self::request_id(ctx, "end_session", &shown.session.0);
        let command = Command::EndSession(EndSession { session: shown.session });
        let reply = self.propose(ctx, request_id, command).await?;
        if reply == (Reply::SessionEnded {}) {
            Ok(())
        } else {
            Err(refusal("end_session", &reply))
        }
    }
}
