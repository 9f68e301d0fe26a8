//! Keeps the answer to a client's key in the same entry as the effect: see [`crate::idempotency`].

use super::decision::Decision;
use super::expiry::{self, Kind};
use crate::entry::Entry;
use crate::error::Fault;
use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::limits::{IDEMPOTENCY_KEYS_PER_SCOPE_MAX, IDEMPOTENCY_SECONDS};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Keys of the numbers of kept answers in the meta table: this, then the scope.
const COUNT_PREFIX: &[u8] = b"idempotency/";

/// What a request gets whose key was seen before, or that is one too many.
pub(super) fn earlier(
    now: Timestamp,
    key: Option<&IdempotencyKey>,
    tables: &impl TablesRead,
) -> Result<Option<Decision>, Fault> {
    let Some(key) = key else { return Ok(None) };
    if let Some(kept) = query::kept_answer(tables, key, now)? {
        return Ok(Some(if kept.body.matches(&key.body) {
            Decision::new(kept.reply).known_as("repeated")
        } else {
            Decision::denied(Denial::IdempotencyKeyReused {})
        }));
    }
    if count(tables, &key.scope)? >= IDEMPOTENCY_KEYS_PER_SCOPE_MAX {
        let until = now.plus_seconds(IDEMPOTENCY_SECONDS);
        return Ok(Some(
            Decision::denied(Denial::TooManyAttempts { until }).known_as("too_many_idempotency_keys"),
        ));
    }
    Ok(None)
}

/// Keeps the answer, if it decided something.
pub(super) fn keep(now: Timestamp, entry: &Entry, reply: &Reply, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(key) = entry.client.idempotency.as_ref().filter(|_| decided(reply)) else {
        return Ok(());
    };
    let row_key = key.row_key();
    // One that is over may still lie there: its removal lags behind.
    if let Some(old) = get::<KeptAnswer>(tables, Table::Idempotency, &row_key)? {
        expiry::cancel(old.expires_at, Kind::KeptAnswer, &row_key, tables)?;
    } else {
        set_count(&key.scope, count(tables, &key.scope)?.saturating_add(1), tables)?;
    }
    let kept = KeptAnswer {
        body: key.body,
        reply: reply.clone(),
        request_id: entry.request_id,
        expires_at: now.plus_seconds(IDEMPOTENCY_SECONDS),
        answer: key.answer.clone(),
    };
    expiry::schedule(kept.expires_at, Kind::KeptAnswer, &row_key, tables)?;
    put(tables, Table::Idempotency, &row_key, &kept)
}

/// Forgets an answer whose time is over.
pub(super) fn forget_if_due(now: Timestamp, row_key: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    if get::<KeptAnswer>(tables, Table::Idempotency, row_key)?.is_some_and(|kept| kept.expires_at <= now) {
        tables.remove(Table::Idempotency, row_key)?;
        if let Some((scope, _)) = row_key.split_first_chunk::<16>() {
            set_count(scope, count(tables, scope)?.saturating_sub(1), tables)?;
        }
    }
    Ok(())
}

fn decided(reply: &Reply) -> bool {
    !matches!(
        reply,
        Reply::Stale { .. }
            | Reply::Denied(
                Denial::TooOld {}
                    | Denial::TooManyAttempts { .. }
                    | Denial::TooManyMails { .. }
                    | Denial::IdempotencyKeyReused {}
            )
    )
}

fn count(tables: &impl TablesRead, scope: &[u8; 16]) -> Result<u64, Fault> {
    Ok(get(tables, Table::Meta, &[COUNT_PREFIX, scope].concat())?.unwrap_or_default())
}

fn set_count(scope: &[u8; 16], count: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    let key = [COUNT_PREFIX, scope].concat();
    if count == 0 {
        return Ok(tables.remove(Table::Meta, &key)?);
    }
    put(tables, Table::Meta, &key, &count)
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, mac};
    use crate::command::{Command, RegisterAccount};
    use crate::idempotency::IdempotencyKey;
    use crate::limits::{IDEMPOTENCY_KEYS_PER_SCOPE_MAX, IDEMPOTENCY_SECONDS};
    use crate::query;
    use crate::reply::{Denial, Reply};

    fn key(number: u8, body: u64) -> Option<IdempotencyKey> {
        Some(IdempotencyKey {
            scope: [1; 16],
            key: [number; 16],
            body: mac(body),
            answer: None,
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
    fn keys_of_one_scope_are_bounded_and_forgotten_in_time() {
        let mut bench = Bench::new();
        for number in 0..IDEMPOTENCY_KEYS_PER_SCOPE_MAX {
            let mut next = key(0, 1).unwrap();
            next.key[..8].copy_from_slice(&number.to_be_bytes());
            bench.idempotency = Some(next);
            bench.run(Command::DropSigningKeys(crate::command::DropSigningKeys {}));
        }
        bench.idempotency = key(9, 1);
        let full = bench.run(Command::DropSigningKeys(crate::command::DropSigningKeys {}));
        assert!(
            matches!(full, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{full:?}"
        );
        bench.wait(IDEMPOTENCY_SECONDS);
        bench.idempotency = None;
        for _ in 0..100 {
            bench.run(Command::DropSigningKeys(crate::command::DropSigningKeys {}));
        }
        bench.idempotency = key(9, 1);
        let free = bench.run(Command::DropSigningKeys(crate::command::DropSigningKeys {}));
        assert_eq!(free, Reply::Done {});
    }
}
