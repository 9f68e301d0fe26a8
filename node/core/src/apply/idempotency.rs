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
/// Shelf whose number is that of all strangers' answers. They lie on the shelves of their networks.
const STRANGERS: [u8; 16] = *b"every stranger's";
/// Prefix of the order of strangers' networks by how many answers they have, the most first. It stands beside the shelves in
/// their table; a shelf's own name is a hash.
const BY_FULLNESS: [u8; 16] = *b"fullest networks";

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
    let own = Shelf::of(key.scope, key.shared);
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
    let shelf = Shelf::of(key.scope, key.shared);
    if count(tables, shelf)? >= shelf.max {
        forget_oldest(shelf, tables)?;
    }
    if key.shared && count(tables, Shelf::STRANGERS)? >= Shelf::STRANGERS.max {
        // Not the oldest of all: whoever has many networks would push everybody else's out. Networks with few answers keep
        // them as long as another one has more.
        if let Some(fullest) = fullest_network(tables)? {
            forget_oldest(fullest, tables)?;
        }
    }
    let by_age = age_key(shelf, kept.expires_at, &row_key);
    put(tables, Table::IdempotencyByAge, &by_age, &())?;
    count_one(shelf, key.shared, u64::saturating_add, tables)?;
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
    let shelf = Shelf::of(*scope, kept.shared);
    tables.remove(Table::IdempotencyByAge, &age_key(shelf, kept.expires_at, row_key))?;
    count_one(shelf, kept.shared, u64::saturating_sub, tables)
}

fn forget_oldest(shelf: Shelf, tables: &mut impl Tables) -> Result<(), Fault> {
    match oldest(shelf, tables)? {
        Some((_, oldest)) => forget(&oldest, tables),
        None => Ok(()),
    }
}

impl Shelf {
    /// Of all strangers together: only their number counts.
    const STRANGERS: Self = Self {
        id: STRANGERS,
        max: IDEMPOTENCY_KEYS_OF_STRANGERS_MAX,
    };

    /// An account's, or that of a network of strangers.
    fn of(scope: [u8; 16], shared: bool) -> Self {
        let max = if shared {
            IDEMPOTENCY_KEYS_PER_NETWORK_MAX
        } else {
            IDEMPOTENCY_KEYS_PER_SCOPE_MAX
        };
        Self { id: scope, max }
    }
}

/// The network of strangers that has the most answers.
fn fullest_network(tables: &impl TablesRead) -> Result<Option<Shelf>, Fault> {
    let end = prefix_end(&BY_FULLNESS).unwrap_or_else(|| vec![0xff; 41]);
    let rows = tables.range(Table::IdempotencyByAge, &BY_FULLNESS, &end, 1)?;
    let Some((key, _)) = rows.into_iter().next() else {
        return Ok(None);
    };
    let network = key.last_chunk::<16>().filter(|_| key.len() == 40);
    let network = network.ok_or(Fault::Invariant(
        "the fullness of a network has a key of another length",
    ))?;
    Ok(Some(Shelf::of(*network, true)))
}

fn fullness_key(network: Shelf, count: u64) -> Vec<u8> {
    [BY_FULLNESS.as_slice(), &(!count).to_be_bytes(), &network.id].concat()
}

/// Counts one answer of a shelf more or less, and of all strangers' if it is one.
fn count_one(shelf: Shelf, shared: bool, by: fn(u64, u64) -> u64, tables: &mut impl Tables) -> Result<(), Fault> {
    let before = count(tables, shelf)?;
    let after = by(before, 1);
    set_count(shelf, after, tables)?;
    if !shared {
        return Ok(());
    }
    tables.remove(Table::IdempotencyByAge, &fullness_key(shelf, before))?;
    if after > 0 {
        put(tables, Table::IdempotencyByAge, &fullness_key(shelf, after), &())?;
    }
    set_count(Shelf::STRANGERS, by(count(tables, Shelf::STRANGERS)?, 1), tables)
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
