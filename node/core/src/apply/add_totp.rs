//! Adds an authenticator app that waits for its first code (OTP-8, OTP-9): asked for by a session that proved itself lately, or
//! by a login that must bind a factor first.

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{challenges, guess, second_factor};
use crate::account::Account;
use crate::command::{AddTotp, Authority};
use crate::error::Fault;
use crate::factor::Factor;
use crate::limits::{FACTORS_PER_ACCOUNT_MAX, LABEL_BYTES_MAX};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::{Tables, TablesRead};

pub(super) fn apply(moment: Moment<'_>, command: &AddTotp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let account = match authorized(moment, command.authority, tables)? {
        Ok(account) => account,
        Err(denial) => return Ok(Decision::denied(denial)),
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account.id));
    let factors = query::factors(tables, account.id)?;
    let bound = factors.iter().filter(|factor| factor.is_bound()).count();
    // One less than the bound: the new one needs a place while it waits.
    if bound.saturating_add(1) >= FACTORS_PER_ACCOUNT_MAX {
        return denied(Denial::TooManyFactors {});
    }
    let in_use = factors
        .iter()
        .any(|factor| factor.id == command.new.factor && factor.is_bound());
    if in_use || command.new.label.len() > LABEL_BYTES_MAX {
        return denied(Denial::InvalidCommand {});
    }
    let factor = command.new.factor;
    let expires_at = second_factor::replace_pending(moment.now, account.id, &factors, command.new.clone(), tables)?;
    let id = account.id;
    guess::put_advanced(account, tables)?;
    Ok(Decision::new(Reply::TotpPending { factor, expires_at }).about(id))
}

/// The account that may bind a factor on this authority.
pub(super) fn authorized(
    moment: Moment<'_>,
    authority: Authority,
    tables: &impl TablesRead,
) -> Result<Result<Account, Denial>, Fault> {
    match authority {
        Authority::Session(session) => {
            let acting = sessions::acting_fresh(moment, session, tables)?;
            Ok(acting.map(|Acting { account, .. }| account))
        }
        Authority::Challenge(challenge) => {
            let Some((challenge, account)) = challenges::live(moment.now, challenge, tables)? else {
                return Ok(Err(Denial::ChallengeGone {}));
            };
            if let Some(denial) = account.refusal() {
                return Ok(Err(denial));
            }
            // Bound meanwhile, or not opened for that: then it proves too little.
            let bound = query::factors(tables, account.id)?.iter().any(Factor::is_bound);
            let own = bound || account.email_factor_since.is_some();
            Ok(if challenge.enrols && !own {
                Ok(account)
            } else {
                Err(Denial::AlreadyEnrolled {})
            })
        }
    }
}
