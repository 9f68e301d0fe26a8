//! What must hold of the agreed log and its answers, whatever happened around it: judged from entries and replies alone,
//! entry by entry, by rules written down a second time.
//!
//! Must not read a row to decide whether it is right.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a verb that is not named promises nothing of the kind"
)]

use super::budget::Budgets;
use auth_core::account::Account;
use auth_core::audit::{self, AuditRow};
use auth_core::command::*;
use auth_core::entry::Entry;
use auth_core::ids::{AccountId, FactorId, RequestId, SessionId};
use auth_core::limits::{DEDUP_SECONDS, ENTRY_AGE_SECONDS_MAX, REFRESH_GRACE_SECONDS};
use auth_core::query;
use auth_core::reply::{Denial, Reply, SessionGrant};
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::decode_row;
use auth_core::tables::{Table, TablesRead as _};
use auth_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Verdict = Result<(), String>;

pub(super) fn ensure(holds: bool, check: &str, what: impl FnOnce() -> String) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(format!("{check}: {}", what()))
    }
}

/// A session as the log told of it.
struct Told {
    account: AccountId,
    newest: SessionGrant,
    over: bool,
}

#[derive(Default)]
pub(super) struct Oracle {
    now: Timestamp,
    first: BTreeMap<RequestId, (Timestamp, Reply)>,
    /// Everything that may succeed once, and did.
    spent: BTreeSet<String>,
    steps: BTreeMap<FactorId, u64>,
    sessions: BTreeMap<SessionId, Told>,
    locked: BTreeSet<AccountId>,
    /// Whose password a mailed token resets.
    resets: BTreeMap<[u8; 32], AccountId>,
    budgets: Budgets,
}

impl Oracle {
    pub(super) fn observe(&mut self, entry: &Entry, reply: &Reply, after: &MemoryTables) -> Verdict {
        let clock = query::log_clock(after).map_err(|fault| fault.to_string())?;
        ensure(clock >= self.now, "clock", || format!("{clock:?} after {:?}", self.now))?;
        if self.is_repeat(entry, reply)? {
            return Ok(());
        }
        let stale_or_old = matches!(reply, Reply::Stale { .. } | Reply::Denied(Denial::TooOld {}));
        let late = entry.at.plus_seconds(ENTRY_AGE_SECONDS_MAX) <= self.now;
        ensure(!late || stale_or_old, "too_old", || {
            format!("{:?} at {:?}", entry.at, self.now)
        })?;
        self.now = self.now.max(clock);
        if stale_or_old {
            return Ok(());
        }
        self.first.insert(entry.request_id, (self.now, reply.clone()));
        self.spends_once(entry, reply)?;
        self.lives(entry, reply)?;
        self.budgets.observe(entry, reply, self.now)
    }

    /// The first answer to a request is the answer to each repeat.
    fn is_repeat(&self, entry: &Entry, reply: &Reply) -> Result<bool, String> {
        let Some((at, first)) = self.first.get(&entry.request_id) else {
            return Ok(false);
        };
        let too_old = *reply == Reply::Denied(Denial::TooOld {}) && at.plus_seconds(DEDUP_SECONDS) <= self.now;
        ensure(reply == first || too_old, "dedup", || {
            format!("the first answer was {first:?}, now {reply:?}")
        })?;
        Ok(true)
    }

    fn spends_once(&mut self, entry: &Entry, reply: &Reply) -> Verdict {
        let mut spent = Vec::new();
        let opened = matches!(reply, Reply::SessionStarted(_) | Reply::SessionRefreshed(_));
        let code = match &entry.command {
            Command::AnswerChallenge(command) if opened => {
                spent.push(format!("challenge {:?}", command.challenge));
                spent.extend(command.answer.recovery.map(|hash| format!("recovery {:?}", hash.0)));
                command.answer.totp
            }
            Command::VerifyFactor(command) if opened => {
                spent.push(format!("challenge {:?}", command.challenge));
                Some(command.code)
            }
            Command::LogIn(command) if opened => command.code,
            Command::StepUp(command) if opened => {
                let answer = command.answer.unwrap_or_default();
                spent.extend(answer.recovery.map(|hash| format!("recovery {:?}", hash.0)));
                answer.totp
            }
            Command::ResetPassword(command) if *reply == (Reply::Done {}) => {
                spent.push(format!("token {:?}", command.token.0));
                None
            }
            Command::ConfirmEmail(command) if matches!(reply, Reply::EmailConfirmed { .. }) => {
                spent.push(format!("token {:?}", command.token.0));
                None
            }
            Command::ConfirmTotp(command) if *reply == (Reply::Done {}) => Some(command.code),
            _other => None,
        };
        for what in spent {
            ensure(self.spent.insert(what.clone()), "once", || {
                format!("{what} worked again")
            })?;
        }
        let Some(CodeEvidence {
            factor,
            matched_step: Some(step),
        }) = code
        else {
            return Ok(());
        };
        let before = self.steps.insert(factor, step);
        ensure(before.is_none_or(|before| before < step), "otp_3", || {
            format!("step {step} of {factor:?} after step {before:?}")
        })
    }

    /// Sessions and accounts: what is over is over, and a refresh token is followed by one.
    fn lives(&mut self, entry: &Entry, reply: &Reply) -> Verdict {
        if let Reply::SessionStarted(grant) = reply {
            ensure(!self.locked.contains(&grant.account), "lock", || format!("{grant:?}"))?;
            let told = Told {
                account: grant.account,
                newest: *grant,
                over: false,
            };
            let before = self.sessions.insert(grant.session, told);
            return ensure(before.is_none(), "once", || format!("{:?} began twice", grant.session));
        }
        if let Reply::SessionRefreshed(grant) = reply {
            self.refreshed(entry, grant)?;
        }
        let done = !matches!(reply, Reply::Denied(_));
        if let Some(session) = acting(&entry.command).filter(|_| done) {
            let told = self.sessions.get(&session);
            ensure(told.is_some_and(|told| !told.over), "revoke", || {
                format!("{session:?} acted after its end")
            })?;
        }
        if done {
            self.ended(&entry.command);
        }
        if let (Command::RefreshSession(command), Reply::Denied(_)) = (&entry.command, reply) {
            // A generation that is not live came back: the session is over, if it was not before.
            if let Some(told) = self.sessions.get_mut(&command.session) {
                told.over = true;
            }
        }
        Ok(())
    }

    fn refreshed(&mut self, entry: &Entry, grant: &SessionGrant) -> Verdict {
        let Some(told) = self.sessions.get_mut(&grant.session) else {
            return Err(format!("revoke: {:?} was never begun", grant.session));
        };
        ensure(!told.over, "revoke", || {
            format!("{:?} refreshed after its end", grant.session)
        })?;
        ensure(!self.locked.contains(&grant.account), "lock", || format!("{grant:?}"))?;
        let newest = told.newest;
        if let Command::RefreshSession(command) = &entry.command {
            let next = command.generation == newest.generation && grant.generation == newest.generation + 1;
            let in_grace = self.now <= newest.issued_at.plus_seconds(REFRESH_GRACE_SECONDS);
            let again = command.generation + 1 == newest.generation
                && (grant.generation, grant.issued_at) == (newest.generation, newest.issued_at);
            ensure(next || (again && in_grace), "refresh", || {
                format!(
                    "generation {} gave {grant:?}, the newest was {newest:?}",
                    command.generation
                )
            })?;
        } else {
            ensure(grant.generation > newest.generation, "refresh", || {
                format!("{grant:?} after {newest:?}")
            })?;
        }
        told.newest = *grant;
        Ok(())
    }

    /// What the command ended, once it was done.
    fn ended(&mut self, command: &Command) {
        let owner = |oracle: &Self, session: &SessionId| oracle.sessions.get(session).map(|told| told.account);
        let (account, one, but) = match command {
            Command::EndSession(command) => (None, Some(command.session), None),
            Command::EndSessions(command) => match command.scope {
                SessionScope::One(session) => (None, Some(session), None),
                SessionScope::Others {} => (owner(self, &command.session), None, Some(command.session)),
                SessionScope::All {} => (owner(self, &command.session), None, None),
            },
            Command::ChangePassword(command) => (owner(self, &command.session), None, Some(command.session)),
            Command::DeleteAccount(command) => {
                let account = owner(self, &command.session);
                account.into_iter().for_each(|account| self.budgets.forget(account));
                (account, None, None)
            }
            Command::RequestPasswordReset(command) => {
                if let ResetSubject::Account(account) = command.subject {
                    self.resets.insert(command.token.hash.0, account);
                }
                (None, None, None)
            }
            Command::ResetPassword(command) => (self.resets.get(&command.token.0).copied(), None, None),
            Command::AdministerAccount(command) => {
                match command.action {
                    AdminAction::Disable {} => self.locked.insert(command.account),
                    AdminAction::Activate {} => self.locked.remove(&command.account),
                    AdminAction::Unlock {}
                    | AdminAction::SetRole { .. }
                    | AdminAction::EndSessions {}
                    | AdminAction::ResetFactors {}
                    | AdminAction::SendPasswordReset { .. } => false,
                };
                let ends = matches!(command.action, AdminAction::Disable {} | AdminAction::EndSessions {});
                (ends.then_some(command.account), None, None)
            }
            _other => (None, None, None),
        };
        for (id, told) in &mut self.sessions {
            let all = Some(told.account) == account && Some(*id) != but;
            told.over |= all || Some(*id) == one;
        }
    }
}

/// The session that asks for something that only a live one may have.
fn acting(command: &Command) -> Option<SessionId> {
    Some(match command {
        Command::RefreshSession(command) => command.session,
        Command::ChangePassword(command) => command.session,
        Command::RequestEmailChange(command) => command.session,
        Command::DeleteAccount(command) => command.session,
        Command::IssueRecoveryCodes(command) => command.session,
        Command::RemoveTotp(command) => command.session,
        Command::SetEmailFactor(command) => command.session,
        Command::StepUp(command) => command.session,
        Command::StartStepUp(command) => command.session,
        Command::EndSessions(command) => command.session,
        Command::ForgetDevice(command) => command.session,
        Command::SetPolicy(command) => command.session,
        Command::AdministerAccount(command) => command.session,
        _other => return None,
    })
}

/// At the end of a run: names are unique, and the audit is one chain.
pub(super) fn final_rows(tables: &MemoryTables) -> Verdict {
    let count = |table| tables.rows().filter(|row| row.0 == table).count();
    let accounts = tables.rows().filter(|row| row.0 == Table::Accounts);
    let accounts = accounts.map(|(table, _, row)| decode_row::<Account>(table, row));
    let accounts: Vec<Account> = accounts.collect::<Result<_, _>>().map_err(|fault| fault.to_string())?;
    // A name that is only held has no address and no number under which it is found.
    let owned = accounts.iter().filter(|account| !account.reserved).count();
    let counts = [Table::Usernames, Table::Emails, Table::AccountsByNumber].map(count);
    ensure(counts == [accounts.len(), owned, owned], "unique", || {
        format!("{counts:?} of {} accounts, {owned} of them owned", accounts.len())
    })?;
    let rows = tables
        .range(Table::Audit, &[], &[0xff; 9], usize::MAX)
        .map_err(|fault| fault.to_string())?;
    let mut chain: Vec<(u64, AuditRow)> = Vec::new();
    for (key, row) in rows {
        let index = key
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| "audit: a key of another length")?;
        chain.push((
            index,
            decode_row(Table::Audit, &row).map_err(|fault| fault.to_string())?,
        ));
    }
    let verified = audit::verify(chain.iter().map(|(index, row)| (*index, row)));
    verified.map(|_| ()).map_err(|broken| format!("lg_2: {broken:?}"))
}
