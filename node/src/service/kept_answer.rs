//! `kept_answer`: what a request of this name was answered before. Reads only.

use super::{Auth, ServiceError, effective_now};
use crate::http::context::RequestContext;
use auth_core::idempotency::IdempotencyKey;
use auth_core::query;
use auth_core::reply::{Denial, Reply};

impl Auth {
    /// The reply to the same request, if there was one.
    ///
    /// # Errors
    /// `Denied(IdempotencyKeyReused)` when the name was used for another body.
    pub async fn kept_answer(&self, ctx: &RequestContext, key: &IdempotencyKey) -> Result<Option<Reply>, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        match query::kept_answer(&view, key, now)? {
            Some(kept) if kept.body.matches(&key.body) => Ok(Some(kept.reply)),
            Some(_) => Err(ServiceError::Denied(Denial::IdempotencyKeyReused {})),
            None => Ok(None),
        }
    }
}
