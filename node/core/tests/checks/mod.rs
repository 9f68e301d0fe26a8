//! What must hold after every entry, judged from entries, replies and stored rows alone. The budget is computed anew
//! from its published table, and never with the code that is under test.

mod budget;

use crate::world::Applied;
use auth_core::account::Account;
use auth_core::apply::CLOCK_KEY;
use auth_core::audit::AuditRow;
use auth_core::command::{CodeEvidence, Command};
use auth_core::factor::Factor;
use auth_core::ids::{AccountId, ChallengeId, FactorId, RequestId, SessionId};
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::reply::{Denial, Reply, SessionGrant};
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::{decode_row, get};
use auth_core::tables::{Table, TablesRead};
use auth_core::time::Timestamp;
use budget::Budgets;
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    replies: BTreeMap<RequestId, Reply>,
    clock: Timestamp,
    steps: BTreeMap<FactorId, u64>,
    grants: BTreeMap<(SessionId, u32), SessionGrant>,
    over: BTreeSet<SessionId>,
    answers: BTreeMap<ChallengeId, u32>,
    opened: BTreeSet<ChallengeId>,
    budgets: Budgets,
    audited: usize,
}

type Verdict = Result<(), String>;

/// Fails with the name of the check.
pub(crate) fn ensure(holds: bool, check: &str, what: impl FnOnce() -> String) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(format!("{check}: {}", what()))
    }
}

impl Checks {
    /// Judges one entry.
    pub(crate) fn observe(&mut self, applied: &Applied<'_>) -> Verdict {
        clock_never_goes_back(&mut self.clock, applied)?;
        self.a_request_takes_effect_once(applied)?;
        names_are_unique(applied.after)?;
        tables_agree(applied.after)?;
        if self.is_first_effect(applied) {
            self.replies.insert(applied.entry.request_id, applied.reply.clone());
            self.steps_grow(applied)?;
            self.challenges_are_bounded(applied)?;
            self.refresh_has_one_successor(applied)?;
            self.budgets.observe(applied)?;
        }
        self.every_effect_is_audited(applied)
    }

    fn is_first_effect(&self, applied: &Applied<'_>) -> bool {
        let effect = !matches!(applied.reply, Reply::Stale { .. } | Reply::Denied(Denial::TooOld {}));
        effect && !self.replies.contains_key(&applied.entry.request_id)
    }

    fn a_request_takes_effect_once(&self, applied: &Applied<'_>) -> Verdict {
        let Applied {
            before, after, reply, ..
        } = applied;
        match (self.replies.get(&applied.entry.request_id), reply) {
            (_, Reply::Denied(Denial::TooOld {})) => ensure(unaudited(before).eq(unaudited(after)), "too_old", || {
                "it changed the state".into()
            }),
            (Some(first), _) => {
                ensure(first == *reply, "once", || format!("the first reply was {first:?}"))?;
                ensure(before == after, "once", || "a repeat changed the state".into())
            }
            (None, Reply::Stale { .. }) => stale_changes_nothing(before, after),
            (None, _) => Ok(()),
        }
    }

    /// OTP-3: a step is accepted once, and only ever a newer one.
    fn steps_grow(&mut self, applied: &Applied<'_>) -> Verdict {
        let (Reply::SessionStarted(_), Some(code)) = (applied.reply, evidence(&applied.entry.command)) else {
            return Ok(());
        };
        let step = code.matched_step.ok_or("otp_3: a session without a matched step")?;
        let last = self.steps.insert(code.factor, step);
        ensure(last.is_none_or(|last| step > last), "otp_3", || {
            format!("step {step} after {last:?}")
        })
    }

    fn challenges_are_bounded(&mut self, applied: &Applied<'_>) -> Verdict {
        let Command::VerifyFactor(command) = &applied.entry.command else {
            return Ok(());
        };
        if matches!(applied.reply, Reply::SessionStarted(_)) {
            ensure(self.opened.insert(command.challenge), "one_session", || {
                "a second session of one challenge".into()
            })?;
        }
        if budget::is_evaluated_code(applied) {
            let answers = self.answers.entry(command.challenge).or_default();
            *answers += 1;
            ensure(*answers <= 5, "five_answers", || {
                format!("answer {answers} was looked at")
            })?;
        }
        Ok(())
    }

    /// RT-1, RT-2, SE-2.
    fn refresh_has_one_successor(&mut self, applied: &Applied<'_>) -> Verdict {
        if let Command::EndSession(command) = &applied.entry.command {
            self.over.insert(command.session);
        }
        let Command::RefreshSession(command) = &applied.entry.command else {
            return Ok(());
        };
        let before = query::session(applied.before, command.session).unwrap();
        let after = query::session(applied.after, command.session).unwrap();
        if let Reply::SessionRefreshed(grant) = applied.reply {
            let successor = command.generation + 1;
            ensure(!self.over.contains(&command.session), "se_2", || {
                "an ended session was refreshed".into()
            })?;
            ensure(grant.generation == successor, "rt_1", || {
                format!("generation {} after {}", grant.generation, command.generation)
            })?;
            let first = *self.grants.entry((grant.session, successor)).or_insert(*grant);
            return ensure(first == *grant, "rt_2", || format!("another successor than {first:?}"));
        }
        let lived = before.as_ref().is_some_and(|row| row.is_live(self.clock));
        let old = before.is_some_and(|row| command.generation + 1 < row.generation);
        if lived && old {
            self.over.insert(command.session);
            let revoked = after.is_some_and(|row| row.revoked_at.is_some());
            return ensure(revoked, "rt_1", || {
                "a token from before the predecessor left the session alive".into()
            });
        }
        if after.is_some_and(|row| row.revoked_at.is_some()) {
            self.over.insert(command.session);
        }
        Ok(())
    }

    fn every_effect_is_audited(&mut self, applied: &Applied<'_>) -> Verdict {
        let rows = count(applied.after, Table::Audit);
        let repeat = applied.before == applied.after;
        if repeat || matches!(applied.reply, Reply::Stale { .. }) {
            return ensure(rows == self.audited, "audit", || "a row without an effect".into());
        }
        self.audited += 1;
        let row: Option<AuditRow> = get(applied.after, Table::Audit, &applied.index.to_be_bytes()).unwrap();
        let fits = row
            .is_some_and(|row| row.request_id == applied.entry.request_id && row.verb == applied.entry.command.verb());
        ensure(fits && rows == self.audited, "audit", || "no row for an effect".into())
    }
}

fn clock_never_goes_back(clock: &mut Timestamp, applied: &Applied<'_>) -> Verdict {
    let now: Timestamp = get(applied.after, Table::Meta, CLOCK_KEY).unwrap().unwrap_or_default();
    let last = std::mem::replace(clock, now);
    ensure(now >= last, "clock", || format!("{last:?} then {now:?}"))?;
    let counted = applied.before == applied.after || now >= applied.entry.at;
    ensure(counted, "clock", || {
        format!("{now:?} is before the entry's {:?}", applied.entry.at)
    })
}

/// Nothing but the clock and what is due for removal.
fn stale_changes_nothing(before: &MemoryTables, after: &MemoryTables) -> Verdict {
    let old: BTreeMap<_, _> = before.rows().map(|(table, key, value)| ((table, key), value)).collect();
    for (table, key, value) in after.rows() {
        let may_change = table == Table::Meta && [CLOCK_KEY, b"unknown_names"].contains(&key);
        ensure(may_change || old.get(&(table, key)) == Some(&value), "stale", || {
            format!("a row of {table:?} changed")
        })?;
    }
    let expires = [
        Table::Meta,
        Table::Replies,
        Table::Expiry,
        Table::Challenges,
        Table::Sessions,
        Table::UnknownNames,
        Table::UnknownNamesByAge,
        Table::SentMail,
        Table::Quarantine,
    ];
    ensure(without(before, &expires).eq(without(after, &expires)), "stale", || {
        "a row that does not expire is gone".into()
    })
}

fn names_are_unique(tables: &MemoryTables) -> Verdict {
    let accounts: Vec<Account> = all(tables, Table::Accounts);
    let numbers: BTreeSet<_> = accounts.iter().map(|row| row.number).collect();
    let names: BTreeSet<_> = accounts.iter().map(|row| &row.username_key).collect();
    ensure([numbers.len(), names.len()] == [accounts.len(); 2], "unique", || {
        format!("{} numbers, {} names of {}", numbers.len(), names.len(), accounts.len())
    })?;
    // A name that is only held has the address of somebody else.
    let owners = || accounts.iter().filter(|row| !row.reserved);
    let emails: BTreeSet<_> = owners().map(|row| &row.email_key).collect();
    ensure(emails.len() == owners().count(), "unique", || {
        format!("{} addresses of {}", emails.len(), owners().count())
    })?;
    for account in &accounts {
        let by_name: Option<AccountId> = get(tables, Table::Usernames, account.username_key.as_bytes()).unwrap();
        let by_email: Option<AccountId> = get(tables, Table::Emails, account.email_key.as_bytes()).unwrap();
        let is_found = by_name == Some(account.id) && (by_email == Some(account.id)) != account.reserved;
        ensure(is_found, "unique", || format!("{account:?} is not found by its names"))?;
        let let_in = account.reserved && !query::sessions_of(tables, account.id).unwrap().is_empty();
        ensure(!let_in, "reserved", || format!("{account:?} let somebody in"))?;
    }
    Ok(())
}

fn tables_agree(tables: &MemoryTables) -> Verdict {
    let scheduled = |kind| {
        tables
            .rows()
            .filter(|row| row.0 == Table::Expiry && row.1[8] == kind)
            .count()
    };
    let pairs = [
        ("replies", count(tables, Table::Replies), scheduled(1)),
        ("unknown names", count(tables, Table::UnknownNames), scheduled(4)),
        (
            "unknown names by age",
            count(tables, Table::UnknownNamesByAge),
            scheduled(4),
        ),
        (
            "count of unknown names",
            count(tables, Table::UnknownNames),
            unknown_names(tables),
        ),
    ];
    for (what, left, right) in pairs {
        ensure(left == right, "tables", || format!("{what}: {left} and {right}"))?;
    }
    ensure(count(tables, Table::Challenges) <= scheduled(2), "tables", || {
        "a challenge that never expires".into()
    })?;
    ensure(count(tables, Table::Sessions) <= scheduled(3), "tables", || {
        "a session that never expires".into()
    })?;
    ensure(count(tables, Table::SigningKeys) <= 1, "tables", || {
        "two signing keys".into()
    })?;
    for account in all::<Account>(tables, Table::Accounts) {
        let factors: Vec<Factor> = query::factors(tables, account.id).unwrap();
        ensure(factors.len() <= 1, "tables", || "two factors".into())?;
        // Otherwise a wrong password would be refused unseen where a right one is not: a guess that costs nothing.
        let opens_at = |throttle: &Throttle| throttle.blocked_until(Timestamp(0));
        let dominated = factors
            .iter()
            .all(|factor| opens_at(&factor.throttle) <= opens_at(&account.throttle));
        ensure(dominated, "tables", || {
            "a factor is blocked for longer than its account".into()
        })?;
    }
    Ok(())
}

fn unknown_names(tables: &MemoryTables) -> usize {
    let count: u64 = get(tables, Table::Meta, b"unknown_names").unwrap().unwrap_or_default();
    usize::try_from(count).unwrap()
}

fn evidence(command: &Command) -> Option<CodeEvidence> {
    match command {
        Command::VerifyFactor(command) => Some(command.code),
        Command::LogIn(command) => command.code,
        Command::RegisterAccount(_)
        | Command::RefuseLogin(_)
        | Command::EnrolTotp(_)
        | Command::StartLogin(_)
        | Command::RefreshSession(_)
        | Command::EndSession(_)
        | Command::InstallSigningKey(_)
        | Command::MarkMailSent(_)
        | Command::SignIn(_)
        | Command::AnswerChallenge(_)
        | Command::SendCode(_)
        | Command::ChangePassword(_)
        | Command::RequestPasswordReset(_)
        | Command::ResetPassword(_)
        | Command::RequestEmailChange(_)
        | Command::ConfirmEmail(_)
        | Command::DeleteAccount(_)
        | Command::IssueRecoveryCodes(_)
        | Command::AddTotp(_)
        | Command::ConfirmTotp(_)
        | Command::RemoveTotp(_)
        | Command::SetEmailFactor(_)
        | Command::StepUp(_)
        | Command::StartStepUp(_)
        | Command::EndSessions(_)
        | Command::ForgetDevice(_)
        | Command::SetPolicy(_)
        | Command::BootstrapAdmin(_)
        | Command::AdministerAccount(_)
        | Command::AddSigningKey(_)
        | Command::DropSigningKeys(_)
        | Command::Reseal(_)
        | Command::MarkMailFailed(_)
        | Command::ReleaseMail(_)
        | Command::UpgradePassword(_)
        | Command::KeepAnswer(_) => None,
    }
}

fn all<T: for<'b> minicbor::Decode<'b, ()>>(tables: &MemoryTables, table: Table) -> Vec<T> {
    let rows = tables.range(table, &[], &[0xff; 40], usize::MAX).unwrap();
    rows.iter().map(|(_, row)| decode_row(table, row).unwrap()).collect()
}

fn count(tables: &MemoryTables, table: Table) -> usize {
    tables.rows().filter(|row| row.0 == table).count()
}

fn without<'a>(tables: &'a MemoryTables, left_out: &'a [Table]) -> impl Iterator<Item = (Table, &'a [u8], &'a [u8])> {
    tables.rows().filter(move |row| !left_out.contains(&row.0))
}

/// Everything but the audit, its index and the head of its chain.
fn unaudited(tables: &MemoryTables) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
    let left_out = [Table::Audit, Table::AuditByAccount];
    tables
        .rows()
        .filter(move |row| !left_out.contains(&row.0) && row.1 != b"audit_head")
}
