//! What a command is given beside its own fields, and what it hands back.

use crate::ids::AccountId;
use crate::reply::{Denial, Reply};
use crate::time::Timestamp;

/// Where in the log an entry is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Its log index.
    pub(super) index: u64,
    /// The log's time, which never goes back.
    pub(super) now: Timestamp,
    /// Address of the client that asked.
    pub(super) client_address: &'a str,
}

/// What a command decided.
#[derive(Debug)]
pub(super) struct Decision {
    /// The answer: as vague as the caller may know.
    pub(super) reply: Reply,
    /// Its name in the audit: exact.
    pub(super) outcome: &'static str,
    /// The account that it is about.
    pub(super) account: Option<AccountId>,
}

impl Decision {
    /// The audit calls it what the reply calls it, about no account.
    pub(super) fn new(reply: Reply) -> Self {
        Self {
            outcome: reply.outcome(),
            reply,
            account: None,
        }
    }

    /// A refusal.
    pub(super) fn denied(denial: Denial) -> Self {
        Self::new(Reply::Denied(denial))
    }

    /// Names the account.
    pub(super) fn about(self, account: AccountId) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    /// Gives the audit a more exact name than the reply has.
    pub(super) fn known_as(self, outcome: &'static str) -> Self {
        Self { outcome, ..self }
    }

    /// Whether nothing was decided, because the account changed under the evidence.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self.reply, Reply::Stale { .. })
    }
}
