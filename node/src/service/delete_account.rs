//! `delete_account`: the account and everything that is its own. Audit rows stay.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError};
use crate::http::context::RequestContext;
use auth_core::command::{Command, DeleteAccount};
use auth_core::reply::Reply;

impl Auth {
    /// Removes the caller's account.
    ///
    /// # Errors
    /// `Denied` with `StepUpRequired` or `LastAdmin`.
    pub async fn delete_account(&self, ctx: &RequestContext, current: &Authenticated) -> Result<(), ServiceError> {
        let request_id = Self::request_id(ctx, "delete_account", &current.account.id.0);
        let command = Command::DeleteAccount(DeleteAccount {
            session: current.session.id,
        });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(()),
            other => Err(refusal("delete_account", &other)),
        }
    }
}
