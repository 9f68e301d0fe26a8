//! `issue_recovery_codes`: ten codes that are shown once. The store has their hashes; a repeat of the same request gets the
//! same codes out of a sealed box that is kept with its answer.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError, effective_now};
use crate::http::context::RequestContext;
use crate::secrets::{CodeUse, GroupedCode, Purpose};
use auth_core::command::{Command, IssueRecoveryCodes};
use auth_core::idempotency::IdempotencyKey;
use auth_core::limits::RECOVERY_CODES;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::Mac;
use secrecy::SecretString;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The verb in the log.
const VERB: &str = "issue_recovery_codes";

impl Auth {
    /// Makes a new set; the old one is void.
    ///
    /// # Errors
    /// `Denied` with `StepUpRequired`.
    pub async fn issue_recovery_codes(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
    ) -> Result<Vec<SecretString>, ServiceError> {
        let account = current.account.id;
        let codes: Vec<GroupedCode> = (0..RECOVERY_CODES).map(|_| GroupedCode::draw()).collect();
        let text: Vec<Zeroizing<String>> = codes.iter().map(GroupedCode::expose).collect();
        let joined = Zeroizing::new(text.iter().map(|code| code.as_str()).collect::<Vec<_>>().join("\n"));
        let request_id = Self::request_id(ctx, VERB, &account.0);
        // A client that names no key gets one made from the request itself: the load balancer may repeat it.
        let key = ctx.idempotency.as_deref().cloned().unwrap_or(IdempotencyKey {
            scope: account.0,
            key: request_id.0,
            body: Mac([0; 32]),
            answer: None,
        });
        let record = record(&key);
        let sealed = self
            .inner
            .ring
            .seal(Purpose::KeptAnswer, &record, joined.as_bytes())
            .map_err(|error| ServiceError::Fault(format!("recovery codes: {error}")))?;
        let ctx = RequestContext {
            idempotency: Some(Arc::new(IdempotencyKey {
                answer: Some(sealed),
                ..key.clone()
            })),
            ..ctx.clone()
        };
        let hashes = codes
            .iter()
            .map(|code| Mac(code.hash(CodeUse::Recovery { account: &account.0 })))
            .collect();
        let command = Command::IssueRecoveryCodes(IssueRecoveryCodes {
            session: current.session.id,
            hashes,
        });
        match self.propose(&ctx, request_id, command).await? {
            Reply::RecoveryCodesIssued { .. } => self.kept_codes(&key, &record),
            other => Err(refusal(VERB, &other)),
        }
    }

    /// The codes that were issued, which a repeat did not draw itself.
    fn kept_codes(&self, key: &IdempotencyKey, record: &[u8]) -> Result<Vec<SecretString>, ServiceError> {
        let view = self.inner.replication.view();
        let now = effective_now(&view)?;
        let lost = || ServiceError::Fault("the answer with recovery codes was not kept".into());
        let sealed = query::kept_answer(&view, key, now)?
            .and_then(|kept| kept.answer)
            .ok_or_else(lost)?;
        let opened = self
            .inner
            .ring
            .open(Purpose::KeptAnswer, record, &sealed)
            .map_err(|error| ServiceError::Fault(format!("recovery codes: {error}")))?;
        let text = std::str::from_utf8(&opened).map_err(|_| lost())?;
        Ok(text.lines().map(SecretString::from).collect())
    }
}

/// The record that the box belongs to.
fn record(key: &IdempotencyKey) -> Vec<u8> {
    [key.scope, key.key].concat()
}
