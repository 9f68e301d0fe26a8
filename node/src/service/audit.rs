//! `own_audit` and `search_audit`: reads only.

use super::{Auth, Authenticated, ServiceError};
use crate::http::context::RequestContext;
use auth_core::query::{self, AuditFilter, AuditPage};

impl Auth {
    /// What happened to the caller's account, newest first, before a log index.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn own_audit(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        before: Option<u64>,
        limit: usize,
    ) -> Result<AuditPage, ServiceError> {
        let view = self.current_view(ctx).await?;
        Ok(query::audit_of(&view, current.account.id, before, limit)?)
    }

    /// What happened to all accounts, newest first, before a log index.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn search_audit(
        &self,
        ctx: &RequestContext,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<AuditPage, ServiceError> {
        let view = self.current_view(ctx).await?;
        Ok(query::audit(&view, filter, before, limit)?)
    }
}
