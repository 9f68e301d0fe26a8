//! Confirms an authenticator app with its first code, whose step is burned (OTP-8).

use super::answer;
use super::decision::{Decision, Moment};
use super::second_factor::{self, CODE_USED_BEFORE, Verdict};
use super::standing::Standing;
use super::{add_totp, guess};
use crate::command::{Authority, ConfirmTotp};
use crate::error::Fault;
use crate::factor::Factor;
use crate::limits::FACTOR_FAILURES_MAX;
use crate::policy::throttle::Throttle;
use crate::reply::Denial;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &ConfirmTotp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let account = match add_totp::authorized(moment, command.authority, tables)? {
        Ok(account) => account.id,
        Err(denial) => return Ok(Decision::denied(denial)),
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account));
    let Some(mut standing) = Standing::read(moment, account, tables)? else {
        return denied(Denial::NotFound {});
    };
    let waiting = |factor: &&Factor| factor.id == command.code.factor && factor.is_usable(moment.now);
    let Some(factor) = standing.factors.iter().find(waiting).cloned() else {
        return denied(Denial::NotFound {});
    };
    let blocked_until = factor.throttle.blocked_until(moment.now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if factor.is_bound() {
        return denied(Denial::AlreadyEnrolled {});
    }
    match second_factor::judge(&factor, &command.code) {
        Verdict::Right { step } => {
            let confirmed = Factor {
                state: answer::confirmed(moment, &mut standing, &factor, tables)?,
                last_step: Some(step),
                last_used_at: Some(moment.now),
                throttle: Throttle::default(),
                ..factor
            };
            second_factor::put_factor(&confirmed, tables)?;
            if let Authority::Challenge(challenge) = command.authority {
                tables.remove(Table::Challenges, &challenge.0)?;
            }
            standing.account.updated_at = Some(moment.now);
            guess::put_advanced(standing.account, tables)?;
            Ok(Decision::done("totp_confirmed").about(account))
        }
        Verdict::UsedBefore => denied(Denial::InvalidCode {}).map(|denied| denied.known_as(CODE_USED_BEFORE)),
        Verdict::Wrong => {
            charge(moment, &mut standing, factor, tables)?;
            guess::put_advanced(standing.account, tables)?;
            denied(Denial::InvalidCode {})
        }
    }
}

/// Nothing depends on a factor that waits: at the limit it goes, and its owner binds another.
fn charge(moment: Moment<'_>, standing: &mut Standing, factor: Factor, tables: &mut impl Tables) -> Result<(), Fault> {
    let charged = Factor {
        throttle: factor.throttle.charged(moment.now),
        ..factor
    };
    if charged.throttle.failures >= FACTOR_FAILURES_MAX {
        second_factor::remove_factor(&charged, tables)?;
    } else {
        second_factor::put_factor(&charged, tables)?;
    }
    standing.charge_answer(moment.now, tables)
}
