//! What is drawn to be mailed: codes and tokens, hashed for the store and sealed for the mail. And how a mail fared.

use super::limits::{MAIL_WAIT, MAIL_WAIT_STEP};
use super::{Auth, ServiceError};
use crate::clock;
use crate::http::context::RequestContext;
use crate::secrets::{CodeUse, GroupedCode, Purpose, SixDigits};
use auth_core::command::{NewCode, NewToken};
use auth_core::ids::{AccountId, ChallengeId};
use auth_core::outbox::Channel;
use auth_core::outbox::MailState;
use auth_core::query;
use auth_core::secret::{Mac, Sealed};

/// How a mail fared while its request could wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFate {
    /// Handed over, or still on its way.
    Trusted,
    /// Refused for good: it will never arrive.
    Refused,
}

impl Auth {
    /// A code for a challenge, sealed for it.
    pub(super) fn new_code(&self, challenge: ChallengeId) -> Result<NewCode, ServiceError> {
        let code = SixDigits::draw();
        Ok(NewCode {
            mac: Mac(self.inner.ring.code_mac(&challenge.0, &code)),
            sealed: self.seal_for_mail(&challenge.0, code.expose().as_bytes())?,
            channel: Channel::Mail,
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

    /// Waits a little for a mail to be refused for good; a mail that is on its way is trusted.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn mail_fate(&self, ctx: &RequestContext, mail: u64) -> Result<MailFate, ServiceError> {
        let until = ctx.deadline.min(clock::monotonic() + MAIL_WAIT);
        loop {
            match query::mail_state(&self.inner.replication.view(), mail)? {
                MailState::Quarantined => return Ok(MailFate::Refused),
                MailState::Sent | MailState::Unknown => return Ok(MailFate::Trusted),
                // A first failure that is not for good is tried again in the background.
                MailState::Waiting { attempts } if attempts > 0 => return Ok(MailFate::Trusted),
                MailState::Waiting { .. } => {}
            }
            if clock::monotonic() >= until {
                return Ok(MailFate::Trusted);
            }
            tokio::time::sleep(MAIL_WAIT_STEP).await;
        }
    }
}
