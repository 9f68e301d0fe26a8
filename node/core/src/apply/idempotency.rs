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
