//! How fast guesses may be looked at, counted from answers alone (TH-1, TH-2, TH-4): consecutive wrong passwords of an
//! account, wrong codes of a factor, answers of a challenge. A success of the account starts the count anew.
//!
//! The rules charge more than is counted here; they must never look at a guess earlier than this allows.
#![expect(clippy::wildcard_enum_match_arm, reason = "a reply that is not named is no success")]

use super::oracle::{Verdict, ensure};
use auth_core::command::{AdminAction, CodeEvidence, Command, RefuseLogin, Subject};
use auth_core::entry::Entry;
use auth_core::ids::{AccountId, ChallengeId, NameMac};
use auth_core::limits::{CHALLENGE_ANSWERS_MAX, PASSWORD_FAILURES_SECONDS};
use auth_core::reply::{Denial, Reply};
use auth_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds to wait after so many consecutive failures, as published.
const DELAYS: [u64; 13] = [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600];

/// Consecutive failures that were looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: usize,
    last: Timestamp,
}

impl Failures {
    fn add(&mut self, now: Timestamp, whose: &str) -> Verdict {
        // Wrong passwords are forgotten after a while; by then no delay is left either.
        if self.last.plus_seconds(PASSWORD_FAILURES_SECONDS) <= now {
            *self = Self::default();
        }
        let delay = DELAYS[self.count.min(DELAYS.len() - 1)];
        let open = self.last.plus_seconds(delay) <= now;
        let before = *self;
        *self = Self {
            count: self.count + 1,
            last: now,
        };
        ensure(open, "budget", || {
            format!("a guess at {whose} was looked at at {now:?} after {before:?}")
        })
    }
}

#[derive(Default)]
pub(super) struct Budgets {
    passwords: BTreeMap<AccountId, Failures>,
    names: BTreeMap<NameMac, Failures>,
    answers: BTreeMap<ChallengeId, u8>,
    removed: BTreeSet<AccountId>,
}

impl Budgets {
    /// The account is gone.
    pub(super) fn forget(&mut self, account: AccountId) {
        self.removed.insert(account);
    }

    pub(super) fn observe(&mut self, entry: &Entry, reply: &Reply, now: Timestamp) -> Verdict {
        // A code that was right once and is spent is no guess: it tells nobody anything.
        let guessed = |code: Option<CodeEvidence>| code.is_none_or(|code| code.matched_step.is_none());
        match &entry.command {
            Command::AnswerChallenge(_) | Command::VerifyFactor(_) if right_but_refused(reply) => {
                self.passwords.clear()
            }
            Command::AnswerChallenge(command) if guessed(command.answer.totp) => {
                self.answered(command.challenge, reply)?
            }
            Command::VerifyFactor(command) if guessed(Some(command.code)) => self.answered(command.challenge, reply)?,
            _other => {}
        }
        if let Some(account) = cleared(entry, reply) {
            self.passwords.remove(&account);
        }
        if matches!(reply, Reply::Done {} | Reply::EmailConfirmed { .. }) && clears_somebody(&entry.command) {
            self.passwords.clear();
        }
        let wrong = *reply == Reply::Denied(Denial::InvalidCredentials {});
        let Command::RefuseLogin(RefuseLogin { subject }) = &entry.command else {
            return Ok(());
        };
        match subject {
            // A known device has a budget of its own; at an account that is gone there is nothing to guess.
            Subject::Account { account, .. }
                if wrong && entry.client.device.is_none() && !self.removed.contains(account) =>
            {
                self.passwords
                    .entry(*account)
                    .or_default()
                    .add(now, &format!("{account:?}"))
            }
            Subject::UnknownName { name } if wrong => {
                self.names.entry(*name).or_default().add(now, &format!("{name:?}"))
            }
            Subject::Account { .. } | Subject::UnknownName { .. } => Ok(()),
        }
    }

    fn answered(&mut self, challenge: ChallengeId, reply: &Reply) -> Verdict {
        if *reply != Reply::Denied(Denial::InvalidCode {}) {
            return Ok(());
        }
        let answers = self.answers.entry(challenge).or_default();
        *answers += 1;
        ensure(*answers <= CHALLENGE_ANSWERS_MAX, "five_answers", || {
            format!("{challenge:?}: answer {answers}")
        })
    }
}

/// The answer was right, and a session that is over or an account that is locked refuses what it was for.
fn right_but_refused(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Denied(Denial::SessionRevoked {} | Denial::AccountDisabled {} | Denial::NotApproved {})
    )
}

/// A success of this account.
fn cleared(entry: &Entry, reply: &Reply) -> Option<AccountId> {
    match reply {
        Reply::SessionStarted(grant) | Reply::SessionRefreshed(grant)
            if !matches!(entry.command, Command::RefreshSession(_)) =>
        {
            Some(grant.account)
        }
        _other => None,
    }
}

/// Whether it gives somebody a new budget, whom its reply does not name.
fn clears_somebody(command: &Command) -> bool {
    let by_admin = if let Command::AdministerAccount(command) = command {
        matches!(
            command.action,
            AdminAction::Unlock {} | AdminAction::ResetFactors {} | AdminAction::Activate {}
        )
    } else {
        false
    };
    by_admin
        || matches!(
            command,
            Command::ResetPassword(_) | Command::ChangePassword(_) | Command::ConfirmTotp(_)
        )
}
