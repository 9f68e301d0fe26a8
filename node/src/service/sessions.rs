//! `list_sessions` and `end_sessions`: what an owner sees and ends of his own.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError, effective_now, token_refused};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::command::{Command, EndSession, EndSessions, SessionScope};
use auth_core::ids::SessionId;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::session::Session;

/// Which sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One of the account's.
    One(SessionId),
    /// All but the one that asks.
    Others,
}

impl Auth {
    /// The account's live sessions, the newest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn list_sessions(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
    ) -> Result<Vec<Session>, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let mut sessions = query::sessions_of(&view, current.account.id)?;
        sessions.retain(|session| session.is_live(now));
        sessions.sort_by_key(|session| std::cmp::Reverse((session.started_at(), session.id)));
        Ok(sessions)
    }

    /// Ends sessions of one's own.
    ///
    /// # Errors
    /// `Denied(NotFound)` for a session that is not the account's.
    pub async fn end_sessions(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        ending: Ending,
    ) -> Result<(), ServiceError> {
        let (scope, subject) = match ending {
            Ending::One(session) => (SessionScope::One(session), session.0),
            Ending::Others => (SessionScope::Others {}, current.session.id.0),
        };
        let command = Command::EndSessions(EndSessions {
            session: current.session.id,
            scope,
        });
        let request_id = Self::request_id(ctx, "end_sessions", &subject);
        match self.propose(ctx, request_id, command).await? {
            Reply::SessionsEnded { .. } => Ok(()),
            other => Err(refusal("end_sessions", &other)),
        }
    }

    /// Ends the session of a refresh token, whichever generation it is of.
    ///
    /// # Errors
    /// `Unauthenticated` for anything that is no refresh token of ours.
    pub async fn end_session_of_refresh(&self, ctx: &RequestContext, refresh_token: &str) -> Result<(), ServiceError> {
        let inner = &self.inner;
        let shown = inner
            .verifier
            .refresh(&inner.signing, refresh_token, clock::now())
            .map_err(token_refused)?;
        let request_id = Self::request_id(ctx, "end_session", &shown.session.0);
        let command = Command::EndSession(EndSession { session: shown.session });
        match self.propose(ctx, request_id, command).await? {
            Reply::SessionEnded {} => Ok(()),
            other => Err(refusal("end_session", &other)),
        }
    }
}
