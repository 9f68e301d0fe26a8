//! Keeps the answer to a client's key in the same entry as the effect: see [`crate::idempotency`].

use super::decision::Decision;
use super::expiry::{self, Kind};
use crate::entry::Entry;
use crate::error::Fault;
use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::limits::{IDEMPOTENCY_KEYS_PER_SCOPE_MAX, IDEMPOTENCY_SECONDS, IDEMPOTENCY_SECONDS_MIN};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, pair_key, prefix_end, put};
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
    if count(tables, &key.scope)? < IDEMPOTENCY_KEYS_PER_SCOPE_MAX {
        return Ok(None);
    }
    // Full: the oldest makes room, unless even that one is too young.
    let free_at = oldest(&key.scope, tables)?.map(|(end, _)| kept_at(end).plus_seconds(IDEMPOTENCY_SECONDS_MIN));
    Ok(free_at
        .filter(|free_at| now < *free_at)
        .map(|until| Decision::denied(Denial::TooManyAttempts { until }).known_as("too_many_idempotency_keys")))
}

/// Keeps the answer, if it decided something. The oldest answer of a full scope makes room.
pub(super) fn keep(now: Timestamp, entry: &Entry, reply: &Reply, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(key) = entry.client.idempotency.as_ref().filter(|_| decided(reply)) else {
        return Ok(());
    };
    let row_key = key.row_key();
    // One that is over may still lie there: its removal lags behind.
    forget(&row_key, tables)?;
    if count(tables, &key.scope)? >= IDEMPOTENCY_KEYS_PER_SCOPE_MAX
        && let Some((_, oldest)) = oldest(&key.scope, tables)?
    {
        forget(&pair_key(&key.scope, &oldest), tables)?;
    }
    let kept = KeptAnswer {
        body: key.body,
        reply: reply.clone(),
        request_id: entry.request_id,
        expires_at: now.plus_seconds(IDEMPOTENCY_SECONDS),
        answer: key.answer.clone(),
    };
    expiry::schedule(kept.expires_at, Kind::KeptAnswer, &row_key, tables)?;
    put(
        tables,
        Table::IdempotencyByAge,
        &age_key(&key.scope, kept.expires_at, &key.key),
        &(),
    )?;
    put(tables, Table::Idempotency, &row_key, &kept)?;
    set_count(&key.scope, count(tables, &key.scope)?.saturating_add(1), tables)
}

/// Forgets an answer whose time is over.
pub(super) fn forget_if_due(now: Timestamp, row_key: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    if get::<KeptAnswer>(tables, Table::Idempotency, row_key)?.is_some_and(|kept| kept.expires_at <= now) {
        forget(row_key, tables)?;
    }
    Ok(())
}

/// Removes every trace of an answer, if there is one.
fn forget(row_key: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(kept) = get::<KeptAnswer>(tables, Table::Idempotency, row_key)? else {
        return Ok(());
    };
    let Some((scope, key)) = row_key.split_first_chunk::<16>() else {
        return Err(Fault::Invariant("a kept answer has a key of another length"));
    };
    tables.remove(Table::Idempotency, row_key)?;
    tables.remove(Table::IdempotencyByAge, &age_key(scope, kept.expires_at, key))?;
    expiry::cancel(kept.expires_at, Kind::KeptAnswer, row_key, tables)?;
    set_count(scope, count(tables, scope)?.saturating_sub(1), tables)
}

/// The oldest answer of a scope: its end and its key.
fn oldest(scope: &[u8; 16], tables: &impl TablesRead) -> Result<Option<(Timestamp, Vec<u8>)>, Fault> {
    let end = prefix_end(scope).unwrap_or_else(|| vec![0xff; 41]);
    let rows = tables.range(Table::IdempotencyByAge, scope, &end, 1)?;
    let Some((row_key, _)) = rows.into_iter().next() else {
        return Ok(None);
    };
    let unknown = Fault::Invariant("the age of a kept answer has a key of another length");
    let parts = row_key
        .split_at_checked(16)
        .and_then(|(_, rest)| rest.split_first_chunk::<8>());
    let (end, key) = parts.ok_or(unknown)?;
    Ok(Some((Timestamp(u64::from_be_bytes(*end)), key.to_vec())))
}

fn age_key(scope: &[u8; 16], end: Timestamp, key: &[u8]) -> Vec<u8> {
    [scope.as_slice(), &end.0.to_be_bytes(), key].concat()
}

fn kept_at(end: Timestamp) -> Timestamp {
    Timestamp(end.0.saturating_sub(Timestamp::from_seconds(IDEMPOTENCY_SECONDS).0))
}

/// Whether a reply is worth keeping: an effect, or a refusal that stays one.
fn decided(reply: &Reply) -> bool {
    match reply {
        Reply::Stale { .. } => false,
        Reply::Denied(denial) => denial.is_final(),
        Reply::AccountRegistered { .. }
        | Reply::TotpPending { .. }
        | Reply::ChallengeStarted { .. }
        | Reply::SessionStarted(_)
        | Reply::SessionRefreshed(_)
        | Reply::SessionEnded {}
        | Reply::SigningKeyInstalled {}
        | Reply::MailMarkedSent {}
        | Reply::SecondFactorRequired { .. }
        | Reply::EnrolmentStarted { .. }
        | Reply::CodeSent { .. }
        | Reply::Done {}
        | Reply::SessionsEnded { .. }
        | Reply::RecoveryCodesIssued { .. }
        | Reply::PolicySet { .. }
        | Reply::Resealed { .. }
        | Reply::MailPostponed { .. }
        | Reply::EmailConfirmed { .. } => true,
    }
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
    use crate::account::AccountStatus;
    use crate::apply::testing::{Bench, mac};
    use crate::command::{Command, RegisterAccount};
    use crate::idempotency::IdempotencyKey;
    use crate::limits::{IDEMPOTENCY_KEYS_PER_SCOPE_MAX, IDEMPOTENCY_SECONDS, IDEMPOTENCY_SECONDS_MIN};
    use crate::query;
    use crate::reply::{Denial, Reply};
    use crate::tables::Table;

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
    fn th_8_a_refusal_that_a_later_try_may_pass_is_not_kept() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        for (disabled, wanted) in [(true, false), (false, true)] {
            bench.change(account, |row| {
                row.status = if disabled {
                    AccountStatus::Disabled
                } else {
                    AccountStatus::Active
                };
            });
            bench.idempotency = key(1, 1);
            let reply = bench.sign_in(account);
            assert_eq!(matches!(reply, Reply::SessionStarted(_)), wanted, "{reply:?}");
        }
        // A name that is taken may be free again; a token that is gone stays gone.
        bench.idempotency = key(2, 1);
        assert_eq!(register(&mut bench, "ana"), Reply::Denied(Denial::UsernameTaken {}));
        let kept = query::kept_answer(&bench.tables, &key(2, 1).unwrap(), bench.now).unwrap();
        assert_eq!(kept, None);
        bench.idempotency = key(3, 1);
        let gone = bench.run(Command::ConfirmEmail(crate::command::ConfirmEmail { token: mac(77) }));
        let kept = query::kept_answer(&bench.tables, &key(3, 1).unwrap(), bench.now).unwrap();
        assert_eq!(kept.map(|kept| kept.reply), Some(gone));
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

    #[test]
    fn what_was_kept_leaves_no_trace_in_time() {
        let mut bench = Bench::new();
        for number in 0..40 {
            drop_keys(&mut bench, numbered(number));
        }
        bench.wait(IDEMPOTENCY_SECONDS);
        for _ in 0..20 {
            drop_keys(&mut bench, None);
        }
        assert_eq!(rows(&bench), (0, 0));
        assert_eq!(super::count(&bench.tables, &[1; 16]).unwrap(), 0);
    }

    /// Kept answers, and places in the order of age.
    fn rows(bench: &Bench) -> (u64, u64) {
        let count = |table| bench.tables.rows().filter(|row| row.0 == table).count() as u64;
        (count(Table::Idempotency), count(Table::IdempotencyByAge))
    }
}
