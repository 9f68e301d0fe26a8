//! What a command is given beside its own fields, and what it hands back.

use crate::entry::Client;
use crate::factor::Methods;
use crate::ids::{AccountId, DeviceId, SessionId};
use crate::policy::risk::{Facts, Reasons};
use crate::reply::{Denial, Reply};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::cell::Cell;

/// Where in the log an entry is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Its log index.
    pub(super) index: u64,
    /// The log's time, which never goes back.
    pub(super) now: Timestamp,
    /// Who asked.
    pub(super) client: &'a Client,
    /// Mails that this entry caused so far.
    pub(super) mails: &'a Cell<u64>,
}

/// What a command decided.
#[derive(Debug)]
pub(super) struct Decision {
    /// The answer: as vague as the caller may know.
    pub(super) reply: Reply,
    /// Its name in the audit: exact.
    pub(super) outcome: Cow<'static, str>,
    /// The account that it is about.
    pub(super) account: Option<AccountId>,
    /// What else the audit keeps.
    pub(super) trace: Trace,
}

/// What the audit keeps beside names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trace {
    /// The administrator who did it.
    pub(super) actor: Option<AccountId>,
    /// The session that asked, or that was started.
    pub(super) session: Option<SessionId>,
    /// The device.
    pub(super) device: Option<DeviceId>,
    /// What was proven.
    pub(super) methods: Methods,
    /// Why a second factor was demanded.
    pub(super) reasons: Reasons,
    /// Why it would have been.
    pub(super) shadow_reasons: Reasons,
    /// What the risk rules looked at.
    pub(super) facts: Option<Facts>,
}

impl Decision {
    /// The audit calls it what the reply calls it, about no account.
    pub(super) fn new(reply: Reply) -> Self {
        Self {
            outcome: Cow::Borrowed(reply.outcome()),
            reply,
            account: None,
            trace: Trace::default(),
        }
    }

    /// A refusal.
    pub(super) fn denied(denial: Denial) -> Self {
        Self::new(Reply::Denied(denial))
    }

    /// Done, under the name that the audit has for it.
    pub(super) fn done(outcome: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reply::Done {}).known_as(outcome)
    }

    /// Names the account.
    pub(super) fn about(self, account: AccountId) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    /// Gives the audit a more exact name than the reply has.
    pub(super) fn known_as(self, outcome: impl Into<Cow<'static, str>>) -> Self {
        Self {
            outcome: outcome.into(),
            ..self
        }
    }

    /// Adds what else the audit keeps.
    pub(super) fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// Names the session.
    pub(super) fn by(mut self, session: SessionId) -> Self {
        self.trace.session = Some(session);
        self
    }

    /// Whether nothing was decided, because the account changed under the evidence.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self.reply, Reply::Stale { .. })
    }
}
