//! Keeps the answer to a client's key in the same entry as the effect: see [`crate::idempotency`].

use super::decision::Decision;
use super::expiry::{self, Kind};
use crate::entry::Entry;
use crate::error::Fault;
use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::limits::{
    IDEMPOTENCY_KEYS_OF_STRANGERS_MAX, IDEMPOTENCY_KEYS_PER_NETWORK_MAX, IDEMPOTENCY_KEYS_PER_SCOPE_MAX,
    IDEMPOTENCY_SECONDS, IDEMPOTENCY_SECONDS_MIN,
};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, pair_key, prefix_end, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Keys of the numbers of kept answers in the meta table: this, then the shelf.
const COUNT_PREFIX: &[u8] = b"idempotency/";
/// The shelf of all strangers.
const STRANGERS: [u8; 16] = *b"every stranger's";

/// Where answers lie in the order of their age, and how many there may be. The oldest of a full shelf is forgotten.
#[derive(Clone, Copy)]
struct Shelf {
    id: [u8; 16],
    max: u64,
}

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
    let own = Shelf::own(key.scope);
    // Among strangers the oldest makes room, however young: else one could keep the others of his network out.
    if key.shared || count(tables, own)? < own.max {
        return Ok(None);
    }
    // Full: the oldest makes room, unless even that one is too young.
    let free_at = oldest(own, tables)?.map(|(end, _)| kept_at(end).plus_seconds(IDEMPOTENCY_SECONDS_MIN));
    Ok(free_at
        .filter(|free_at| now < *free_at)
        .map(|until| Decision::denied(Denial::TooManyAttempts { until }).known_as("too_many_idempotency_keys")))
}

/// Keeps the answer, if it is one. The oldest answer of a full shelf makes room.
pub(super) fn keep(now: Timestamp, entry: &Entry, reply: &Reply, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(key) = entry.client.idempotency.as_ref().filter(|_| is_kept(reply)) else {
        return Ok(());
    };
    let row_key = key.row_key();
    // One that is over may still lie there: its removal lags behind.
    forget(&row_key, tables)?;
    let kept = KeptAnswer {
        body: key.body,
        reply: reply.clone(),
        request_id: entry.request_id,
        expires_at: now.plus_seconds(IDEMPOTENCY_SECONDS),
        answer: key.answer.clone(),
        shared: key.shared,
    };
    for shelf in shelves(key.scope, key.shared).into_iter().flatten() {
        if count(tables, shelf)? >= shelf.max
            && let Some((_, oldest)) = oldest(shelf, tables)?
        {
            forget(&oldest, tables)?;
        }
        put(
            tables,
            Table::IdempotencyByAge,
            &age_key(shelf, kept.expires_at, &row_key),
            &(),
        )?;
        set_count(shelf, count(tables, shelf)?.saturating_add(1), tables)?;
    }
    expiry::schedule(kept.expires_at, Kind::KeptAnswer, &row_key, tables)?;
    put(tables, Table::Idempotency, &row_key, &kept)
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
    let Some((scope, _)) = row_key.split_first_chunk::<16>() else {
        return Err(Fault::Invariant("a kept answer has a key of another length"));
    };
    tables.remove(Table::Idempotency, row_key)?;
    expiry::cancel(kept.expires_at, Kind::KeptAnswer, row_key, tables)?;
    for shelf in shelves(*scope, kept.shared).into_iter().flatten() {
        tables.remove(Table::IdempotencyByAge, &age_key(shelf, kept.expires_at, row_key))?;
        set_count(shelf, count(tables, shelf)?.saturating_sub(1), tables)?;
    }
    Ok(())
}

impl Shelf {
    /// An account's.
    fn own(scope: [u8; 16]) -> Self {
        Self {
            id: scope,
            max: IDEMPOTENCY_KEYS_PER_SCOPE_MAX,
        }
    }
}

/// The shelves that an answer lies on.
fn shelves(scope: [u8; 16], shared: bool) -> [Option<Shelf>; 2] {
    if !shared {
        return [Some(Shelf::own(scope)), None];
    }
    let network = Shelf {
        id: scope,
        max: IDEMPOTENCY_KEYS_PER_NETWORK_MAX,
    };
    let strangers = Shelf {
        id: STRANGERS,
        max: IDEMPOTENCY_KEYS_OF_STRANGERS_MAX,
    };
    [Some(network), Some(strangers)]
}

/// The oldest answer of a shelf: its end and its key.
fn oldest(shelf: Shelf, tables: &impl TablesRead) -> Result<Option<(Timestamp, Vec<u8>)>, Fault> {
    let end = prefix_end(&shelf.id).unwrap_or_else(|| vec![0xff; 57]);
    let rows = tables.range(Table::IdempotencyByAge, &shelf.id, &end, 1)?;
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

fn age_key(shelf: Shelf, end: Timestamp, row_key: &[u8]) -> Vec<u8> {
    [shelf.id.as_slice(), &end.0.to_be_bytes(), row_key].concat()
}

fn kept_at(end: Timestamp) -> Timestamp {
    Timestamp(end.0.saturating_sub(Timestamp::from_seconds(IDEMPOTENCY_SECONDS).0))
}

/// Whether a reply is what a repeat gets.
fn is_kept(reply: &Reply) -> bool {
    match reply {
        Reply::Stale { .. } => false,
        Reply::Denied(denial) => denial.is_kept(),
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

fn count(tables: &impl TablesRead, shelf: Shelf) -> Result<u64, Fault> {
    Ok(get(tables, Table::Meta, &pair_key(COUNT_PREFIX, &shelf.id))?.unwrap_or_default())
}

fn set_count(shelf: Shelf, count: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    let key = pair_key(COUNT_PREFIX, &shelf.id);
    if count == 0 {
        return Ok(tables.remove(Table::Meta, &key)?);
    }
    put(tables, Table::Meta, &key, &count)
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
