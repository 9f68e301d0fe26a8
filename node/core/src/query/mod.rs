//! Questions that only read. A node asks them after a read barrier.

mod audit;
mod budget;
mod lists;
mod mail;
pub(crate) mod sealed;

pub use audit::*;
pub use budget::*;
pub use lists::*;
pub use mail::{Shelf, count_mail, due_mail, mail_state, outbox, quarantine};
pub use sealed::{reseal_progress, sealed_rows};

use crate::account::Account;
use crate::challenge::Challenge;
use crate::error::Fault;
use crate::factor::Factor;
use crate::ids::{AccountId, ChallengeId, NameMac, RequestId, SessionId};
use crate::keys::SigningKey;
use crate::limits::{FACTORS_PER_ACCOUNT_MAX, SIGNING_KEYS_MAX};
use crate::policy::throttle::Throttle;
use crate::reply::Reply;
use crate::session::Session;
use crate::tables::schema::{decode_row, get, prefix_end};
use crate::tables::{Table, TablesRead};
use crate::time::Timestamp;

/// An account by its id.
///
/// # Errors
/// When storage fails or a row does not decode; so for every function here.
pub fn account(tables: &impl TablesRead, id: AccountId) -> Result<Option<Account>, Fault> {
    get(tables, Table::Accounts, &id.0)
}

/// An account by the looked-up form of its name.
///
/// # Errors
/// See [`account`].
pub fn account_by_username(tables: &impl TablesRead, username_key: &str) -> Result<Option<Account>, Fault> {
    let id: Option<AccountId> = get(tables, Table::Usernames, username_key.as_bytes())?;
    match id {
        None => Ok(None),
        Some(id) => account(tables, id)?
            .ok_or(Fault::Invariant("a user name points to no account"))
            .map(Some),
    }
}

/// The factors of an account, pending ones among them, in the order of their ids.
///
/// # Errors
/// See [`account`].
pub fn factors(tables: &impl TablesRead, account: AccountId) -> Result<Vec<Factor>, Fault> {
    let end = prefix_end(&account.0).unwrap_or_else(|| vec![0xff; 33]);
    let rows = tables.range(Table::Factors, &account.0, &end, FACTORS_PER_ACCOUNT_MAX)?;
    rows.iter().map(|(_, row)| decode_row(Table::Factors, row)).collect()
}

/// The factor that answers are compared with at `now`: the confirmed one, or else one that waits for its first code.
#[must_use]
pub fn answerable(factors: &[Factor], now: Timestamp) -> Option<&Factor> {
    let usable = || factors.iter().filter(|factor| factor.is_usable(now));
    match usable().find(|factor| factor.is_bound()) {
        Some(confirmed) => Some(confirmed),
        // A disabled factor still binds the account: a pending one beside it does not count.
        None if factors.iter().any(Factor::is_bound) => None,
        None => usable().next(),
    }
}

/// A challenge by its id, expired or not.
///
/// # Errors
/// See [`account`].
pub fn challenge(tables: &impl TablesRead, id: ChallengeId) -> Result<Option<Challenge>, Fault> {
    get(tables, Table::Challenges, &id.0)
}

/// A session by its id, live or not.
///
/// # Errors
/// See [`account`].
pub fn session(tables: &impl TablesRead, id: SessionId) -> Result<Option<Session>, Fault> {
    get(tables, Table::Sessions, &id.0)
}

/// Failures charged to a name without an account.
///
/// # Errors
/// See [`account`].
pub fn unknown_name(tables: &impl TablesRead, name: NameMac) -> Result<Throttle, Fault> {
    Ok(get(tables, Table::UnknownNames, &name.0)?.unwrap_or_default())
}

/// Signing keys, the oldest first.
///
/// # Errors
/// See [`account`].
pub fn signing_keys(tables: &impl TablesRead) -> Result<Vec<SigningKey>, Fault> {
    let rows = tables.range(Table::SigningKeys, &[], &[0xff; 64], SIGNING_KEYS_MAX)?;
    let mut keys: Vec<SigningKey> = rows
        .iter()
        .map(|(_, row)| decode_row(Table::SigningKeys, row))
        .collect::<Result<_, _>>()?;
    keys.sort_by(|a, b| (a.installed_at, &a.kid).cmp(&(b.installed_at, &b.kid)));
    Ok(keys)
}

/// The reply that a request already got.
///
/// # Errors
/// See [`account`].
pub fn reply(tables: &impl TablesRead, request: RequestId) -> Result<Option<Reply>, Fault> {
    get(tables, Table::Replies, &request.0)
}

/// The log's clock: the greatest time that any entry was stamped with.
///
/// # Errors
/// See [`account`].
pub fn log_clock(tables: &impl TablesRead) -> Result<Timestamp, Fault> {
    Ok(get(tables, Table::Meta, crate::apply::CLOCK_KEY)?.unwrap_or_default())
}

/// Until when guesses at an account (and its factor) are refused unseen, if they are at `now`.
#[must_use]
pub fn blocked_until(account: &Account, factor: Option<&Factor>, now: Timestamp) -> Option<Timestamp> {
    let factor_end = factor.and_then(|factor| factor.throttle.blocked_until(now));
    account.throttle.blocked_until(now).max(factor_end)
}
