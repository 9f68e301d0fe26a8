//! What must hold after every entry, judged from entries, replies and stored rows.

use auth_core::audit::{self, AuditRow, Chain};
use auth_core::command::{AdminAction, Answer, CodeEvidence, Command, Subject};
use auth_core::device::Device;
use auth_core::entry::Entry;
use auth_core::factor::Methods;
use auth_core::ids::{AccountId, RequestId, SessionId};
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::session::Session;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::{decode_row, get};
use auth_core::tables::{Table, TablesRead};
use auth_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds to wait after so many consecutive failures, as published.
const DELAYS: [u64; 13] = [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600];
/// Seconds after which an account's wrong passwords are forgotten; those on a device are not.
const FORGOTTEN: u64 = 7200;

pub(super) type Verdict = Result<(), String>;

pub(super) fn ensure(holds: bool, check: &str, what: impl FnOnce() -> String) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(format!("{check}: {}", what()))
    }
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Checks {
    /// Everything that may succeed once, and did.
    spent: BTreeSet<String>,
    seen: BTreeSet<RequestId>,
    answers: BTreeMap<[u8; 32], (Timestamp, Reply)>,
    head: Option<Chain>,
}

impl Checks {
    pub(super) fn observe(
        &mut self,
        index: u64,
        entry: &Entry,
        before: &MemoryTables,
        after: &MemoryTables,
        reply: &Reply,
    ) -> Verdict {
        let row: Option<AuditRow> = get(after, Table::Audit, &index.to_be_bytes()).unwrap();
        self.chain_holds(index, row.as_ref(), after)?;
        sessions_stay_ended(before, after)?;
        names_are_unique(after)?;
        let Some(row) = row.filter(|_| self.seen.insert(entry.request_id)) else {
            return Ok(());
        };
        if self.is_repeated_key(entry, before, after, reply, row.at)? {
            return Ok(());
        }
        self.spends_once(entry, reply, &row)?;
        sessions_end_with_their_reason(entry, after, reply, row.at)?;
        budget_is_kept(entry, before, after, reply, row.at)?;
        super::owned::observe(entry, before, after, reply, row.at)
    }

    /// LG-2: every effect has its row, and the rows are one chain.
    fn chain_holds(&mut self, index: u64, row: Option<&AuditRow>, after: &MemoryTables) -> Verdict {
        let head = query::audit_head(after).unwrap();
        let Some(row) = row else {
            return ensure(head == self.head, "lg_2", || "the head moved without a row".into());
        };
        let follows = row.chain.is_some_and(|chain| {
            chain.number == self.head.map_or(1, |head| head.number + 1)
                && chain.previous == self.head.map_or(audit::CHAIN_START, |head| head.link)
        });
        self.head = head;
        ensure(follows && head == row.chain, "lg_2", || {
            "the row does not follow".into()
        })?;
        audit::verify([(index, row)])
            .map(|_| ())
            .map_err(|broken| format!("lg_2: {broken:?}"))
    }

    /// The same key gets the first answer and changes nothing that people would notice.
    fn is_repeated_key(
        &mut self,
        entry: &Entry,
        before: &MemoryTables,
        after: &MemoryTables,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<bool, String> {
        let Some(key) = &entry.client.idempotency else {
            return Ok(false);
        };
        let kept = self.answers.get(&key.row_key()).filter(|(until, _)| now < *until);
        if let Some((_, first)) = kept {
            ensure(reply == first, "idempotency", || {
                format!("the first answer was {first:?}")
            })?;
            let effects = [
                Table::Factors,
                Table::Devices,
                Table::RecoveryCodes,
                Table::SessionsByAccount,
            ];
            let rows = |tables: &MemoryTables| -> Vec<(Vec<u8>, Vec<u8>)> {
                let rows = tables.rows().filter(|row| effects.contains(&row.0));
                rows.map(|(_, key, row)| (key.to_vec(), row.to_vec())).collect()
            };
            let gone = rows(after).iter().all(|row| rows(before).contains(row));
            ensure(gone, "idempotency", || "a repeat took effect".into())?;
            return Ok(true);
        }
        // Everything that answers the request is kept.
        let undecided = matches!(reply, Reply::Denied(denial) if !denial.is_kept());
        if !undecided {
            let until = now.plus_seconds(86_400);
            self.answers.insert(key.row_key(), (until, reply.clone()));
        }
        Ok(false)
    }

    /// OTP-3, OTP-11, RC-1, RC-3: a step, a mailed code, a recovery code and a token succeed once.
    fn spends_once(&mut self, entry: &Entry, reply: &Reply, row: &AuditRow) -> Verdict {
        let started = matches!(reply, Reply::SessionStarted(_) | Reply::SessionRefreshed(_));
        let mut spent = Vec::new();
        if let Command::AnswerChallenge(command) = &entry.command
            && started
        {
            spent.push(format!("challenge {:?}", command.challenge));
            spent.extend(proof(&command.answer, row.methods));
        }
        if let Command::StepUp(command) = &entry.command
            && started
        {
            spent.extend(command.answer.as_ref().and_then(|answer| proof(answer, row.methods)));
        }
        if let Command::LogIn(command) = &entry.command
            && started
        {
            spent.extend(command.code.and_then(step));
        }
        if let Command::ResetPassword(command) = &entry.command
            && *reply == (Reply::Done {})
        {
            spent.push(format!("token {:?}", command.token.0));
            spent.extend(command.answer.and_then(|answer| answer.totp).and_then(step));
        }
        if let Command::ConfirmEmail(command) = &entry.command
            && matches!(reply, Reply::EmailConfirmed { .. })
        {
            spent.push(format!("token {:?}", command.token.0));
        }
        for what in spent {
            ensure(self.spent.insert(what.clone()), "once", || what)?;
        }
        Ok(())
    }
}

fn step(code: CodeEvidence) -> Option<String> {
    code.matched_step.map(|step| format!("step {:?} {step}", code.factor))
}

fn proof(answer: &Answer, methods: Methods) -> Option<String> {
    if methods.has(Methods::RECOVERY) {
        answer.recovery.map(|hash| format!("recovery {:?}", hash.0))
    } else if methods.has(Methods::TOTP) {
        answer.totp.and_then(step)
    } else {
        None
    }
}

/// SE-2: what was ended stays ended.
fn sessions_stay_ended(before: &MemoryTables, after: &MemoryTables) -> Verdict {
    for session in sessions(before).into_iter().filter(|row| row.revoked_at.is_some()) {
        let now = query::session(after, session.id).unwrap();
        ensure(
            now.is_none_or(|row| row.revoked_at == session.revoked_at),
            "se_2",
            || format!("{:?} lives again", session.id),
        )?;
    }
    live_sessions_are_listed(after)
}

/// SE-2: a session that was not ended is in the index of its account, or nobody could end it.
fn live_sessions_are_listed(after: &MemoryTables) -> Verdict {
    for session in sessions(after).into_iter().filter(|row| row.revoked_at.is_none()) {
        let listed = query::sessions_of(after, session.account).unwrap();
        ensure(listed.iter().any(|row| row.id == session.id), "se_2", || {
            format!("{:?} lives in no index", session.id)
        })?;
    }
    Ok(())
}

fn sessions_end_with_their_reason(entry: &Entry, after: &MemoryTables, reply: &Reply, now: Timestamp) -> Verdict {
    let done = matches!(reply, Reply::Done {} | Reply::SessionsEnded { .. });
    if let (Command::RefreshSession(command), Reply::SessionRefreshed(_)) = (&entry.command, reply) {
        let session = query::session(after, command.session).unwrap();
        let account = session.and_then(|row| query::account(after, row.account).unwrap());
        return ensure(account.is_some_and(|row| row.is_active()), "se_2", || {
            "a disabled account refreshed".into()
        });
    }
    let (mut account, mut but): (Option<AccountId>, Option<SessionId>) = (None, None);
    if let Command::AdministerAccount(command) = &entry.command
        && command.action == (AdminAction::Disable {})
    {
        account = Some(command.account);
    }
    if let Command::ChangePassword(command) = &entry.command {
        (account, but) = (owner(after, command.session), Some(command.session));
    }
    if let Command::EndSessions(command) = &entry.command {
        (account, but) = (owner(after, command.session), Some(command.session));
    }
    let account = account.filter(|_| done);
    let Some(account) = account else { return Ok(()) };
    let live = sessions(after)
        .into_iter()
        .find(|row| row.account == account && Some(row.id) != but && row.is_live(now));
    ensure(live.is_none(), "se_2", || format!("{live:?} is left"))
}

fn owner(tables: &MemoryTables, session: SessionId) -> Option<AccountId> {
    query::session(tables, session).unwrap().map(|row| row.account)
}

fn sessions(tables: &MemoryTables) -> Vec<Session> {
    let rows = tables.range(Table::Sessions, &[], &[0xff; 40], usize::MAX).unwrap();
    rows.iter()
        .map(|(_, row)| decode_row(Table::Sessions, row).unwrap())
        .collect()
}

fn names_are_unique(tables: &MemoryTables) -> Verdict {
    let count = |table| tables.rows().filter(|row| row.0 == table).count();
    let counts = [
        Table::Accounts,
        Table::Usernames,
        Table::Emails,
        Table::AccountsByNumber,
    ]
    .map(count);
    ensure(counts.iter().all(|count| *count == counts[0]), "unique", || {
        format!("{counts:?}")
    })
}

/// TH-4, TH-5: a password that was looked at is charged to its lane, and only while the lane was open.
fn budget_is_kept(
    entry: &Entry,
    before: &MemoryTables,
    after: &MemoryTables,
    reply: &Reply,
    now: Timestamp,
) -> Verdict {
    let account = if let Command::SignIn(command) = &entry.command {
        command.account
    } else if let Command::RefuseLogin(command) = &entry.command
        && let Subject::Account { account, .. } = command.subject
    {
        account
    } else {
        return Ok(());
    };
    let known = query::known_device(before, account, entry.client.device, now).unwrap();
    let lane = |tables: &MemoryTables, device: Option<&Device>| -> Option<Throttle> {
        match device {
            Some(device) => query::device(tables, account, device.id)
                .unwrap()
                .map(|row| row.throttle),
            None => query::account(tables, account).unwrap().map(|row| row.throttle),
        }
    };
    let (Some(old), new) = (lane(before, known.as_ref()), lane(after, known.as_ref())) else {
        return Ok(());
    };
    let delay = DELAYS[DELAYS.len().min(old.failures as usize + 1) - 1];
    let open = old.last_failure_at.plus_seconds(delay) <= now;
    let charged = matches!(
        reply,
        Reply::Denied(Denial::InvalidCredentials {})
            | Reply::SecondFactorRequired { .. }
            | Reply::EnrolmentStarted { .. }
    );
    if !charged && !matches!(reply, Reply::SessionStarted(_)) {
        return Ok(());
    }
    ensure(open, "th_5", || format!("looked at after {old:?}"))?;
    let forgotten = known.is_none() && old.last_failure_at.plus_seconds(FORGOTTEN) <= now;
    let counted = if forgotten { 0 } else { old.failures };
    let counted = new.is_none_or(|new| new.failures == counted + 1);
    ensure(!charged || counted, "th_5", || format!("{old:?}, then {new:?}"))
}
