//! What is drawn to be mailed: codes and tokens, hashed for the store and sealed for the mail. And how a mail fared.

use super::{Auth, ServiceError};
use crate::clock;
use crate::email::{Handover, handover};
use crate::http::context::RequestContext;
use crate::limits::HANDOVER_WAIT_MAX;
use crate::secrets::{CodeUse, GroupedCode, Purpose, SixDigits};
use auth_core::command::{NewCode, NewToken};
use auth_core::ids::{AccountId, ChallengeId};
use auth_core::secret::{Mac, Sealed};

impl Auth {
    /// A code for a challenge, sealed for it.
    pub(super) fn new_code(&self, challenge: ChallengeId) -> Result<NewCode, ServiceError> {
        let code = SixDigits::draw();
        Ok(NewCode {
            mac: Mac(self.inner.ring.code_mac(&challenge.0, &code)),
            sealed: self.seal_for_mail(&challenge.0, code.expose().as_bytes())?,
            channel: self.code_channel,
        })
    }

    /// A token that proves its bearer, sealed for the account.
    pub(super) fn new_token(&self, account: AccountId, what_for: CodeUse<'_>) -> Result<NewToken, ServiceError> {
        let token = GroupedCode::draw();
        Ok(NewToken {
            hash: Mac(token.hash(what_for)),
            sealed: self.seal_for_mail(&account.0, token.expose().as_bytes())?,
        })
    }

    fn seal_for_mail(&self, record: &[u8; 16], text: &[u8]) -> Result<Sealed, ServiceError> {
        self.inner
            .ring
            .seal(Purpose::MailSecret, record, text)
            .map_err(|error| ServiceError::Fault(format!("a secret for a mail: {error}")))
    }

    /// Waits a little for a mail to be refused for good; a mail that is on its way is trusted to arrive.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn mail_is_refused(&self, ctx: &RequestContext, mail: u64) -> Result<bool, ServiceError> {
        let until_deadline = ctx.deadline.saturating_duration_since(clock::monotonic());
        let known = handover(&self.inner.replication, mail, HANDOVER_WAIT_MAX.min(until_deadline)).await?;
        Ok(known == Handover::Refused)
    }
}
