//! `kept_answer`: what a request of this name was answered before. What an answer holds beyond the reply of its entry lies
//! sealed beside it.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError, effective_now};
use crate::http::context::RequestContext;
use crate::secrets::Purpose;
use auth_core::command::{Command, KeepAnswer};
use auth_core::idempotency::IdempotencyKey;
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The verb in the log.
const VERB: &str = "keep_answer";

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

    /// The answer of a call that changes nothing: the one that its name got before, or else the one that is made now, which is
    /// kept if the request has a name.
    ///
    /// # Errors
    /// Those of `make`, and the store's.
    pub async fn answered_once<F>(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        make: impl FnOnce() -> F + Send,
    ) -> Result<Vec<u8>, ServiceError>
    where
        F: Future<Output = Result<Vec<u8>, ServiceError>> + Send,
    {
        let Some(key) = ctx.idempotency.as_deref() else {
            return make().await;
        };
        if ctx.kept.is_none() {
            let made = make().await?;
            let ctx = self.with_answer(ctx, key, &made)?;
            let account = current.account.id;
            let request_id = Self::request_id(&ctx, VERB, &key.key);
            let command = Command::KeepAnswer(KeepAnswer { account });
            match self.propose(&ctx, request_id, command).await? {
                Reply::Done {} => {}
                other => return Err(refusal(VERB, &other)),
            }
        }
        Ok(self.kept_bytes(key)?.to_vec())
    }

    /// The same request, with what its answer holds beyond the reply.
    pub(super) fn with_answer(
        &self,
        ctx: &RequestContext,
        key: &IdempotencyKey,
        answer: &[u8],
    ) -> Result<RequestContext, ServiceError> {
        let sealed = self.inner.ring.seal(Purpose::KeptAnswer, &key.row_key(), answer);
        let sealed = sealed.map_err(|error| ServiceError::Fault(format!("an answer to be kept: {error}")))?;
        Ok(RequestContext {
            idempotency: Some(Arc::new(IdempotencyKey {
                answer: Some(sealed),
                ..key.clone()
            })),
            ..ctx.clone()
        })
    }

    /// What the kept answer holds beyond the reply. A repeat did not make it itself.
    pub(super) fn kept_bytes(&self, key: &IdempotencyKey) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let view = self.inner.replication.view();
        let sealed = query::kept_answer(&view, key, effective_now(&view)?)?
            .and_then(|kept| kept.answer)
            .ok_or_else(|| ServiceError::Fault("the answer was not kept".into()))?;
        let opened = self.inner.ring.open(Purpose::KeptAnswer, &key.row_key(), &sealed);
        opened.map_err(|error| ServiceError::Fault(format!("a kept answer: {error}")))
    }
}
