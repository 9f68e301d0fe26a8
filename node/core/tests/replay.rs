//! The same entries give the same bytes: from the start, and from a copy of any state between. And what a request id
//! and the log's clock promise, one by one.

#[cfg(test)]
mod world;

use auth_core::apply::apply;
use auth_core::audit::AuditRow;
use auth_core::command::{Command, RefuseLogin, RegisterAccount, Subject};
use auth_core::entry::{Client, Entry};
use auth_core::ids::{AccountId, NameMac, RequestId};
use auth_core::limits::{DEDUP_SECONDS, ENTRY_AGE_SECONDS_MAX, EXPIRED_ROWS_PER_ENTRY_MAX};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::secret::Sealed;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::get;
use auth_core::tables::{Table, TablesRead};
use auth_core::time::Timestamp;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Applied, Machine, World, runs, sound};

/// Applies entries whose replies are known to a state, and expects the same replies.
fn replay(machine: Machine, log: &[Step], mut tables: MemoryTables) -> Result<MemoryTables, String> {
    for step in log {
        let reply = machine(step.index, &step.entry, &mut tables).map_err(|fault| fault.to_string())?;
        if reply != step.reply {
            return Err(format!("{:?} at {}, and now {reply:?}", step.reply, step.index));
        }
    }
    Ok(tables)
}

/// What was applied, and the state before and after it.
struct Step {
    index: u64,
    entry: Entry,
    reply: Reply,
    before: MemoryTables,
    after: MemoryTables,
}

/// Applies the run, replays its log from the start and from the middle, and compares replies and rows.
fn replays_equally(machine: Machine, steps: &[world::Step], middle: usize) -> Result<(), String> {
    let mut log = Vec::new();
    let observe = |applied: &Applied<'_>| {
        log.push(Step {
            index: applied.index,
            entry: applied.entry.clone(),
            reply: applied.reply.clone(),
            before: applied.before.clone(),
            after: applied.after.clone(),
        });
        Ok(())
    };
    World::new(machine, observe)?.run(steps)?;
    let middle = middle % log.len();
    let last = log.last().map(|step| &step.after);
    let again = replay(machine, &log, MemoryTables::default())?;
    let tail = log.split_at(middle).1;
    let from = tail.first().map(|step| step.before.clone()).unwrap_or_default();
    let tail = replay(machine, tail, from)?;
    if Some(&again) != last {
        return Err("another state after a replay".into());
    }
    if Some(&tail) == last {
        Ok(())
    } else {
        Err(format!("another state from {middle} on"))
    }
}

proptest! {
    #[test]
    fn the_same_entries_give_the_same_rows(steps in runs(100), middle in 0..1000_usize) {
        replays_equally(sound, &steps, middle).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_machine_that_depends_on_its_process_is_found() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, auth_core::error::Fault> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed);
        sound(
            index,
            &Entry {
                at: Timestamp(entry.at.0 + calls),
                ..entry.clone()
            },
            tables,
        )
    }
    assert!(replays_equally(broken, &[], 3).is_err());
}

const START: Timestamp = Timestamp(1_700_000_000_000_000);

fn entry(request: u8, at: Timestamp, command: Command) -> Entry {
    Entry {
        request_id: RequestId([request; 16]),
        at,
        client: Client::default(),
        command,
    }
}

fn register(request: u8, at: Timestamp, account: u8, name: &str) -> Entry {
    let command = RegisterAccount {
        account: AccountId([account; 16]),
        username: name.into(),
        username_key: name.into(),
        email: format!("{name}@example.org"),
        email_key: format!("{name}@example.org"),
        password: Sealed(vec![1]),
        password_alone: false,
        confirmation: None,
    };
    entry(request, at, Command::RegisterAccount(command))
}

fn unknown_name(request: u8, at: Timestamp) -> Entry {
    let subject = Subject::UnknownName { name: NameMac([7; 16]) };
    entry(request, at, Command::RefuseLogin(RefuseLogin { subject }))
}

#[test]
fn a_retry_with_other_ids_inside_gets_the_first_ones_reply() {
    let mut tables = MemoryTables::default();
    let first = apply(1, &register(1, START, 10, "ana"), &mut tables).unwrap();
    let before = tables.clone();
    let retry = register(1, START.plus_seconds(1), 11, "ana");
    assert_eq!(apply(2, &retry, &mut tables).unwrap(), first);
    assert_eq!(tables, before, "not even the clock moves");
    assert_eq!(
        first,
        Reply::AccountRegistered {
            account: AccountId([10; 16]),
            created_at: START,
            waits: None,
        }
    );
}

#[test]
fn a_repeat_never_takes_effect_again_however_late_it_comes() {
    let first = register(1, START, 10, "ana");
    for late in [DEDUP_SECONDS - 1, DEDUP_SECONDS, DEDUP_SECONDS + 1, 10 * DEDUP_SECONDS] {
        let mut tables = MemoryTables::default();
        let reply = apply(1, &first, &mut tables).unwrap();
        // Two entries that move the clock and remove what is due, so that the reply may be gone.
        apply(2, &unknown_name(2, START.plus_seconds(late)), &mut tables).unwrap();
        apply(3, &unknown_name(3, START.plus_seconds(late)), &mut tables).unwrap();
        let repeat = apply(4, &first, &mut tables).unwrap();
        let expected = if late < DEDUP_SECONDS {
            reply
        } else {
            Reply::Denied(Denial::TooOld {})
        };
        assert_eq!(repeat, expected, "{late} s later");
    }
}

#[test]
fn a_request_stamped_anew_in_time_never_takes_effect_again() {
    let first = register(1, START, 10, "ana");
    let anew = START.plus_seconds(DEDUP_SECONDS - ENTRY_AGE_SECONDS_MAX);
    let retry = Entry {
        at: anew,
        ..register(1, START, 11, "ben")
    };
    for late in (0..DEDUP_SECONDS * 2).step_by(50).chain([599, 601, 899, 901]) {
        let mut tables = MemoryTables::default();
        apply(1, &first, &mut tables).unwrap();
        apply(2, &unknown_name(2, START.plus_seconds(late)), &mut tables).unwrap();
        apply(3, &retry, &mut tables).unwrap();
        assert_eq!(
            query::account_by_username(&tables, "ben").unwrap(),
            None,
            "{late} s later"
        );
    }
}

#[test]
fn an_entry_that_is_too_old_is_audited_and_not_remembered() {
    let mut tables = MemoryTables::default();
    apply(1, &unknown_name(1, START.plus_seconds(DEDUP_SECONDS)), &mut tables).unwrap();
    let old = register(2, START, 10, "ana");
    assert_eq!(apply(2, &old, &mut tables).unwrap(), Reply::Denied(Denial::TooOld {}));
    assert_eq!(query::reply(&tables, old.request_id).unwrap(), None);
    assert_eq!(query::account_by_username(&tables, "ana").unwrap(), None);
    let row: AuditRow = get(&tables, Table::Audit, &2_u64.to_be_bytes()).unwrap().unwrap();
    assert_eq!(
        (row.verb.as_str(), row.outcome.as_str(), row.at),
        ("register_account", "too_old", START.plus_seconds(DEDUP_SECONDS))
    );
    // Stamped anew, it happens.
    let again = Entry {
        at: START.plus_seconds(DEDUP_SECONDS),
        ..old
    };
    assert!(matches!(
        apply(3, &again, &mut tables).unwrap(),
        Reply::AccountRegistered { .. }
    ));
}

#[test]
fn a_stale_request_id_is_not_used_up() {
    let mut tables = MemoryTables::default();
    apply(1, &register(1, START, 10, "ana"), &mut tables).unwrap();
    let guess = |base_seq| {
        let subject = Subject::Account {
            account: AccountId([10; 16]),
            base_seq,
        };
        entry(2, START, Command::RefuseLogin(RefuseLogin { subject }))
    };
    assert_eq!(apply(2, &guess(9), &mut tables).unwrap(), Reply::Stale { auth_seq: 1 });
    let denied = Reply::Denied(Denial::InvalidCredentials {});
    assert_eq!(apply(3, &guess(1), &mut tables).unwrap(), denied);
    assert_eq!(
        apply(4, &guess(9), &mut tables).unwrap(),
        denied,
        "the late copy of the stale one gets the reply"
    );
    let audit = tables.range(Table::Audit, &[], &[0xff; 9], 9).unwrap();
    assert_eq!(audit.len(), 2, "one row for each effect");
}

#[test]
fn replies_are_removed_in_bounded_portions() {
    let mut tables = MemoryTables::default();
    let replies = |tables: &MemoryTables| tables.rows().filter(|row| row.0 == Table::Replies).count();
    for request in 0..100 {
        apply(u64::from(request) + 1, &unknown_name(request, START), &mut tables).unwrap();
    }
    assert_eq!(replies(&tables), 100);
    let mut left = Vec::new();
    for request in 100..108 {
        apply(
            u64::from(request) + 1,
            &unknown_name(request, START.plus_seconds(DEDUP_SECONDS)),
            &mut tables,
        )
        .unwrap();
        left.push(replies(&tables));
    }
    // Each entry adds its own.
    assert_eq!(left[0], 100 - EXPIRED_ROWS_PER_ENTRY_MAX + 1);
    assert_eq!(left[7], 8);
}

#[test]
fn the_extremes_of_time_are_no_fault() {
    for at in [Timestamp(0), Timestamp(1), Timestamp(u64::MAX - 1), Timestamp(u64::MAX)] {
        let mut tables = MemoryTables::default();
        for index in 1..5 {
            apply(index, &unknown_name(u8::try_from(index).unwrap(), at), &mut tables).unwrap();
            apply(
                index,
                &register(10 + u8::try_from(index).unwrap(), at, 1, "ana"),
                &mut tables,
            )
            .unwrap();
        }
    }
}
