//! Kept answers: what is kept, for how long, how many, and what leaves no trace.

use super::Shelf;
use crate::account::AccountStatus;
use crate::apply::testing::{Bench, mac};
use crate::command::{Command, RegisterAccount};
use crate::idempotency::IdempotencyKey;
use crate::limits::{
    IDEMPOTENCY_KEYS_PER_NETWORK_MAX, IDEMPOTENCY_KEYS_PER_SCOPE_MAX, IDEMPOTENCY_SECONDS, IDEMPOTENCY_SECONDS_MIN,
};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Table;

fn key(number: u8, body: u64) -> Option<IdempotencyKey> {
    Some(IdempotencyKey {
        scope: [1; 16],
        key: [number; 16],
        body: mac(body),
        answer: None,
        shared: false,
    })
}

fn register(bench: &mut Bench, name: &str) -> Reply {
    let command: RegisterAccount = bench.new_account(name, &format!("{name}@example.org"));
    bench.run(Command::RegisterAccount(command))
}

#[test]
fn a_key_gets_its_first_answer_for_a_day_and_another_body_is_refused() {
    let mut bench = Bench::new();
    bench.idempotency = key(1, 1);
    let first = register(&mut bench, "ana");
    bench.wait(IDEMPOTENCY_SECONDS - 1);
    assert_eq!(register(&mut bench, "ben"), first);
    assert!(query::account_by_username(&bench.tables, "ben").unwrap().is_none());
    assert_eq!(bench.audited().outcome, "repeated");
    bench.idempotency = key(1, 2);
    assert_eq!(
        register(&mut bench, "ben"),
        Reply::Denied(Denial::IdempotencyKeyReused {})
    );
    bench.wait(1);
    assert!(matches!(register(&mut bench, "ben"), Reply::AccountRegistered { .. }));
    assert!(query::account_by_username(&bench.tables, "ben").unwrap().is_some());
}

#[test]
fn what_decided_nothing_is_not_kept() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    bench.block(account);
    bench.idempotency = key(1, 1);
    assert!(matches!(
        bench.sign_in(account),
        Reply::Denied(Denial::TooManyAttempts { .. })
    ));
    bench.wait(30);
    assert!(matches!(bench.sign_in(account), Reply::SessionStarted(_)));
    let stale = bench.sign_in_with(account, |command| command.base_seq = 0);
    assert!(
        matches!(stale, Reply::SessionStarted(_)),
        "the first answer again: {stale:?}"
    );
}

#[test]
fn th_8_the_repeat_of_a_refusal_gets_it_again_and_is_not_charged_again() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    bench.idempotency = key(1, 1);
    bench.fail_passwords(account, 1);
    assert_eq!(bench.account(account).throttle.failures, 1);
    let charged = bench.account(account);
    for _ in 0..20 {
        bench.fail_passwords(account, 1);
        assert_eq!(bench.audited().outcome, "repeated");
    }
    assert_eq!(bench.account(account), charged);
    // The same for what somebody else may change meanwhile: the first answer is the answer for a day.
    bench.change(account, |row| row.status = AccountStatus::Disabled);
    bench.idempotency = key(2, 1);
    let disabled = bench.sign_in(account);
    assert_eq!(disabled, Reply::Denied(Denial::AccountDisabled {}));
    bench.change(account, |row| row.status = AccountStatus::Active);
    assert_eq!(bench.sign_in(account), disabled);
    bench.idempotency = key(3, 1);
    assert!(matches!(bench.sign_in(account), Reply::SessionStarted(_)));
    // Another body under the name of a refusal is refused as well.
    bench.idempotency = key(1, 2);
    assert_eq!(bench.sign_in(account), Reply::Denied(Denial::IdempotencyKeyReused {}));
}

fn numbered(number: u64) -> Option<IdempotencyKey> {
    let mut next = key(0, 1).unwrap();
    next.key[..8].copy_from_slice(&number.to_be_bytes());
    Some(next)
}

fn drop_keys(bench: &mut Bench, key: Option<IdempotencyKey>) -> Reply {
    bench.idempotency = key;
    bench.run(Command::DropSigningKeys(crate::command::DropSigningKeys {}))
}

#[test]
fn th_8_a_full_scope_forgets_its_oldest_answer_and_waits_minutes_not_a_day() {
    let mut bench = Bench::new();
    for number in 0..IDEMPOTENCY_KEYS_PER_SCOPE_MAX {
        drop_keys(&mut bench, numbered(number));
        bench.wait(1);
    }
    let first = numbered(0).unwrap();
    let kept = query::kept_answer(&bench.tables, &first, bench.now).unwrap().unwrap();
    let free_at = super::kept_at(kept.expires_at).plus_seconds(IDEMPOTENCY_SECONDS_MIN);
    let full = drop_keys(&mut bench, key(9, 1));
    assert_eq!(full, Reply::Denied(Denial::TooManyAttempts { until: free_at }));
    assert!(free_at <= bench.now.plus_seconds(IDEMPOTENCY_SECONDS_MIN));
    // Other callers are not in the way, and keys that were seen are answered.
    let mut other = key(9, 1).unwrap();
    other.scope = [2; 16];
    assert_eq!(drop_keys(&mut bench, Some(other)), Reply::Done {});
    assert_eq!(drop_keys(&mut bench, numbered(0)), Reply::Done {});
    assert_eq!(bench.audited().outcome, "repeated");
    bench.now = free_at;
    assert_eq!(drop_keys(&mut bench, key(9, 1)), Reply::Done {});
    assert_eq!(query::kept_answer(&bench.tables, &first, bench.now).unwrap(), None);
    assert!(
        query::kept_answer(&bench.tables, &numbered(1).unwrap(), bench.now)
            .unwrap()
            .is_some()
    );
    assert_eq!(
        rows(&bench),
        (IDEMPOTENCY_KEYS_PER_SCOPE_MAX + 1, IDEMPOTENCY_KEYS_PER_SCOPE_MAX + 1)
    );
}

fn strangers(network: u8, number: u64) -> Option<IdempotencyKey> {
    Some(IdempotencyKey {
        scope: [network; 16],
        shared: true,
        ..numbered(number).unwrap()
    })
}

#[test]
fn th_8_strangers_of_one_network_refuse_nobody_and_push_out_the_oldest_of_their_own_network_only() {
    let mut bench = Bench::new();
    assert_eq!(drop_keys(&mut bench, strangers(7, 0)), Reply::Done {});
    for number in 0..=IDEMPOTENCY_KEYS_PER_NETWORK_MAX {
        // All at the same moment: none waits for ten minutes.
        assert_eq!(drop_keys(&mut bench, strangers(8, number)), Reply::Done {});
    }
    let kept = |bench: &Bench, key: Option<IdempotencyKey>| {
        query::kept_answer(&bench.tables, &key.unwrap(), bench.now)
            .unwrap()
            .is_some()
    };
    assert!(kept(&bench, strangers(7, 0)), "another network");
    assert!(!kept(&bench, strangers(8, 0)), "the oldest");
    assert!(kept(&bench, strangers(8, 1)));
    assert_eq!(
        super::count(&bench.tables, Shelf::of([8; 16], true)).unwrap(),
        IDEMPOTENCY_KEYS_PER_NETWORK_MAX
    );
    assert_eq!(
        super::count(&bench.tables, Shelf::STRANGERS).unwrap(),
        IDEMPOTENCY_KEYS_PER_NETWORK_MAX + 1
    );
}

#[test]
fn th_8_a_network_with_few_answers_keeps_them_while_another_one_has_more() {
    let mut bench = Bench::new();
    // The oldest answer of all is of a network that has one only.
    drop_keys(&mut bench, strangers(7, 0));
    for number in 0..4 {
        for network in [8, 9] {
            bench.wait(1);
            drop_keys(&mut bench, strangers(network, number));
        }
    }
    bench.wait(1);
    drop_keys(&mut bench, strangers(9, 9));
    // As if all strangers together had as many as they may.
    super::set_count(Shelf::STRANGERS, Shelf::STRANGERS.max, &mut bench.tables).unwrap();
    let kept = |bench: &Bench, key: Option<IdempotencyKey>| {
        query::kept_answer(&bench.tables, &key.unwrap(), bench.now)
            .unwrap()
            .is_some()
    };
    bench.wait(1);
    assert_eq!(drop_keys(&mut bench, strangers(6, 0)), Reply::Done {});
    assert!(kept(&bench, strangers(6, 0)));
    assert!(!kept(&bench, strangers(9, 0)), "the oldest of the fullest network");
    assert!(kept(&bench, strangers(7, 0)), "the oldest of all");
    // Then those that are the fullest in turn, the newcomer among them; never the one that has one answer.
    for number in 1..4 {
        bench.wait(1);
        assert_eq!(drop_keys(&mut bench, strangers(6, number)), Reply::Done {});
        assert!(kept(&bench, strangers(7, 0)), "answer {number}");
    }
    let left = |network| super::count(&bench.tables, Shelf::of([network; 16], true)).unwrap();
    assert_eq!([left(6), left(7), left(8), left(9)], [3, 1, 3, 3]);
    assert_eq!(
        super::count(&bench.tables, Shelf::STRANGERS).unwrap(),
        Shelf::STRANGERS.max
    );
}

#[test]
fn what_was_kept_leaves_no_trace_in_time() {
    let mut bench = Bench::new();
    for number in 0..20 {
        drop_keys(&mut bench, numbered(number));
        drop_keys(&mut bench, strangers(8, number));
    }
    bench.wait(IDEMPOTENCY_SECONDS);
    for _ in 0..20 {
        drop_keys(&mut bench, None);
    }
    assert_eq!(rows(&bench), (0, 0));
    for shelf in [Shelf::of([1; 16], false), Shelf::of([8; 16], true), Shelf::STRANGERS] {
        assert_eq!(super::count(&bench.tables, shelf).unwrap(), 0);
    }
}

/// Kept answers, and places in the order of age.
fn rows(bench: &Bench) -> (u64, u64) {
    let count = |table| bench.tables.rows().filter(|row| row.0 == table).count() as u64;
    (count(Table::Idempotency), count(Table::IdempotencyByAge))
}
