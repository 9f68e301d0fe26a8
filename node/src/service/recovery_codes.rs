//! `issue_recovery_codes`: ten codes that are shown once. The store has their hashes; a repeat of the same request gets the
//! same codes out of a sealed box that is kept with its answer.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError};
use crate::http::context::RequestContext;
use crate::secrets::{CodeUse, GroupedCode};
use auth_core::command::{Command, IssueRecoveryCodes};
use auth_core::idempotency::IdempotencyKey;
use auth_core::limits::RECOVERY_CODES;
use auth_core::reply::Reply;
use auth_core::secret::Mac;
use secrecy::SecretString;
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
        // The guard names every such request; one that comes another way is named by itself.
        let key = ctx.idempotency.as_deref().cloned().unwrap_or(IdempotencyKey {
            scope: account.0,
            key: request_id.0,
            body: Mac([0; 32]),
            answer: None,
            shared: false,
        });
        let ctx = self.with_answer(ctx, &key, joined.as_bytes())?;
        let hashes = codes
            .iter()
            .map(|code| Mac(code.hash(CodeUse::Recovery { account: &account.0 })))
            .collect();
        let command = Command::IssueRecoveryCodes(IssueRecoveryCodes {
            session: current.session.id,
            hashes,
        });
        match self.propose(&ctx, request_id, command).await? {
            Reply::RecoveryCodesIssued { .. } => {
                let kept = self.kept_bytes(&key)?;
                let text = std::str::from_utf8(&kept);
                let text = text.map_err(|_| ServiceError::Fault("kept recovery codes are no text".into()))?;
                Ok(text.lines().map(SecretString::from).collect())
            }
            other => Err(refusal(VERB, &other)),
        }
    }
}
