//! What every evaluated guess passes before its evidence is looked at, and how it is charged (TH-2, TH-4).

use super::decision::Decision;
use crate::account::Account;
use crate::error::Fault;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Refuses a guess that must not be looked at; none when it may be.
///
/// The order matters. First the budget, on the state as it is now: of many guesses made in parallel those over the
/// budget get a final answer instead of being sent round again, and what they guessed has no influence on it. Then
/// `auth_seq`: what was computed from an older state is not evidence about this one. Only then may a caller look at the
/// status of the account or at the evidence, because what these answer tells whether the password was right.
pub(super) fn refused_unseen(account: &Account, blocked_until: Option<Timestamp>, base_seq: u64) -> Option<Decision> {
    let reply = match blocked_until {
        Some(until) => Reply::Denied(Denial::TooManyAttempts { until }),
        None if account.auth_seq != base_seq => Reply::Stale {
            auth_seq: account.auth_seq,
        },
        None => return None,
    };
    Some(Decision::new(reply).about(account.id))
}

/// Stores an account whose older evidence is void from here on.
pub(super) fn put_advanced(account: Account, tables: &mut impl Tables) -> Result<(), Fault> {
    let advanced = Account {
        auth_seq: account.auth_seq.saturating_add(1),
        ..account
    };
    put(tables, Table::Accounts, &advanced.id.0, &advanced)
}
