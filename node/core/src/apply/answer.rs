//! What a second factor is worth, what a right one does and what a wrong one costs. Shared by every verb that takes one.
//!
//! One answer may have been compared with several things at once (a code field that says not what it is): it is one guess,
//! charged to each of them. The confirmed authenticator apps of an account are one target, too: a code is compared with
//! all of them, they are charged together, and a right code of one clears all.

use super::decision::Moment;
use super::second_factor::{self, Verdict as CodeVerdict};
use super::standing::Standing;
use super::{guess, outbox};
use crate::challenge::MailedCode;
use crate::command::Answer;
use crate::error::Fault;
use crate::factor::{Factor, FactorState, Methods, RecoveryCode};
use crate::limits::{FACTOR_FAILURES_MAX, RECOVERY_CODES};
use crate::outbox::{MailTemplate, Notice};
use crate::policy::throttle::Throttle;
use crate::query;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// What an answer may be compared with.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    /// Methods that are taken.
    pub(super) methods: Methods,
    /// The code that was mailed for this.
    pub(super) mailed: Option<MailedCode>,
    /// Whether a factor that was never confirmed counts: only where a login must bind one.
    pub(super) pending: bool,
}

/// What an answer is worth.
pub(super) enum Verdict {
    /// One part of it is right.
    Right(Proof),
    /// It was right once: it proves nothing and can win nothing, so it is no guess.
    UsedBefore,
    /// It was compared with these, and is none of them.
    Wrong(Methods),
    /// There was nothing to compare it with.
    NotOffered,
}

/// What was right.
pub(super) enum Proof {
    /// The code of a step of a factor.
    Totp { factor: Factor, step: u64 },
    /// The mailed code.
    Mailed,
    /// The recovery code at this place of the set.
    Recovery { place: usize },
}

impl Proof {
    /// What it proves.
    pub(super) fn method(&self) -> Methods {
        match self {
            Self::Totp { .. } => Methods::TOTP,
            Self::Mailed => Methods::EMAIL,
            Self::Recovery { .. } => Methods::RECOVERY,
        }
    }
}

/// Kinds of second factor that an answer holds.
pub(super) fn kinds(answer: &Answer) -> Methods {
    Methods::NONE
        .and_if(answer.totp.is_some(), Methods::TOTP)
        .and_if(answer.mailed.is_some(), Methods::EMAIL)
        .and_if(answer.recovery.is_some(), Methods::RECOVERY)
}

/// Judges an answer by the rows alone.
pub(super) fn judge(standing: &Standing, offer: Offer, answer: &Answer, now: Timestamp) -> Verdict {
    let taken = kinds(answer).common(offer.methods);
    let mut compared = Methods::NONE;
    let mut used_before = false;
    if let Some(code) = answer.totp.filter(|_| taken.has(Methods::TOTP)) {
        let candidates = candidates(standing, offer.pending, now);
        // Whatever was compared, if it was not this account's factor it is no guess, whatever it gave.
        if let Some(factor) = candidates.into_iter().find(|factor| factor.id == code.factor) {
            compared = compared.and(Methods::TOTP);
            match second_factor::judge(factor, &code) {
                CodeVerdict::Right { step } => {
                    let factor = factor.clone();
                    return Verdict::Right(Proof::Totp { factor, step });
                }
                CodeVerdict::UsedBefore => used_before = true,
                CodeVerdict::Wrong => {}
            }
        }
    }
    if let Some(mac) = answer.mailed.filter(|_| taken.has(Methods::EMAIL)) {
        compared = compared.and(Methods::EMAIL);
        let live = offer.mailed.filter(|mailed| now < mailed.expires_at);
        if live.is_some_and(|mailed| mailed.mac.matches(&mac)) {
            return Verdict::Right(Proof::Mailed);
        }
    }
    if let (Some(hash), Some(set)) = (
        answer.recovery.filter(|_| taken.has(Methods::RECOVERY)),
        &standing.recovery,
    ) {
        compared = compared.and(Methods::RECOVERY);
        let found = set.codes.iter().enumerate().find(|(_, code)| code.hash.matches(&hash));
        match found {
            Some((place, code)) if code.used_at.is_none() => return Verdict::Right(Proof::Recovery { place }),
            Some(_) => used_before = true,
            None => {}
        }
    }
    if used_before {
        Verdict::UsedBefore
    } else if compared.is_empty() {
        Verdict::NotOffered
    } else {
        Verdict::Wrong(compared)
    }
}

/// Uses a proof up and clears the budgets that it answers for. The account is stored by the caller.
pub(super) fn accept(
    moment: Moment<'_>,
    standing: &mut Standing,
    proof: Proof,
    answer: &Answer,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    match proof {
        Proof::Totp { factor, step } => accept_totp(moment, standing, factor, step, tables)?,
        Proof::Mailed => standing.account.mailed_throttle = Throttle::default(),
        Proof::Recovery { place } => accept_recovery(moment, standing, place, answer, tables)?,
    }
    standing.clear();
    Ok(())
}

fn accept_totp(
    moment: Moment<'_>,
    standing: &mut Standing,
    factor: Factor,
    step: u64,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let confirmed = confirmed(moment, standing, &factor, tables)?;
    let factor = Factor {
        state: confirmed,
        last_step: Some(step),
        last_used_at: Some(moment.now),
        ..factor
    };
    second_factor::put_factor(&factor, tables)?;
    for other in &mut standing.factors {
        if other.id == factor.id {
            *other = factor.clone();
        }
        if matches!(other.state, FactorState::Confirmed { .. }) && other.throttle != Throttle::default() {
            other.throttle = Throttle::default();
            second_factor::put_factor(other, tables)?;
        }
    }
    Ok(())
}

/// A factor's first right code confirms it; what waited beside it is void, and its owner is told (OTP-9).
pub(super) fn confirmed(
    moment: Moment<'_>,
    standing: &mut Standing,
    factor: &Factor,
    tables: &mut impl Tables,
) -> Result<FactorState, Fault> {
    match factor.state {
        FactorState::Pending { .. } => {
            let template = MailTemplate::AuthenticatorAdded {
                username: standing.account.username.clone(),
            };
            outbox::send(moment, &outbox::To::owner(&standing.account), template, tables)?;
            second_factor::remove_pending(&standing.factors, tables)?;
            standing
                .factors
                .retain(|other| other.is_bound() || other.id == factor.id);
            Ok(FactorState::Confirmed { at: moment.now })
        }
        state @ (FactorState::Confirmed { .. } | FactorState::Disabled { .. }) => Ok(state),
    }
}

fn accept_recovery(
    moment: Moment<'_>,
    standing: &mut Standing,
    place: usize,
    answer: &Answer,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let Some(set) = &mut standing.recovery else {
        return Err(Fault::Invariant("a recovery code of no set was accepted"));
    };
    if let Some(code) = set.codes.get_mut(place) {
        code.used_at = Some(moment.now);
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::RecoveryCodeKept) {
            code.used_at = None;
        }
    }
    if let Some(hash) = answer.replacement {
        set.codes.push(RecoveryCode { hash, used_at: None });
    }
    // As many used ones are remembered as there are codes in a set.
    if set.codes.len() > 2 * RECOVERY_CODES
        && let Some(oldest) = set.codes.iter().position(|code| code.used_at.is_some())
    {
        set.codes.remove(oldest);
    }
    set.throttle = Throttle::default();
    put(tables, Table::RecoveryCodes, &set.account.0, set)?;
    let left = set.left();
    outbox::notify(moment, &standing.account, Notice::RecoveryCodeUsed { left }, tables)
}

/// Charges a wrong answer to everything that it was compared with, to the account and to the lane.
pub(super) fn charge(
    moment: Moment<'_>,
    mut standing: Standing,
    compared: Methods,
    pending: bool,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let now = moment.now;
    let mut most = 0;
    if compared.has(Methods::TOTP) {
        for factor in candidates(&standing, pending, now)
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
        {
            most = most.max(charge_factor(moment, &standing, factor, tables)?);
        }
    }
    if compared.has(Methods::EMAIL) {
        standing.account.mailed_throttle = standing.account.mailed_throttle.charged(now);
        most = most.max(standing.account.mailed_throttle.failures);
    }
    if let Some(set) = standing.recovery.as_mut().filter(|_| compared.has(Methods::RECOVERY)) {
        set.throttle = set.throttle.charged(now);
        most = most.max(set.throttle.failures);
        if set.throttle.failures >= FACTOR_FAILURES_MAX {
            // As good as guessed at for long enough: a new set must be made (TH-1).
            set.codes.clear();
        }
        put(tables, Table::RecoveryCodes, &set.account.0, set)?;
    }
    standing.charge_answer(now, most, tables)?;
    guess::put_advanced(standing.account, tables)
}

/// Returns how many failures the factor has now.
fn charge_factor(
    moment: Moment<'_>,
    standing: &Standing,
    factor: Factor,
    tables: &mut impl Tables,
) -> Result<u32, Fault> {
    let charged = Factor {
        throttle: factor.throttle.charged(moment.now),
        ..factor
    };
    let failures = charged.throttle.failures;
    if failures < FACTOR_FAILURES_MAX {
        second_factor::put_factor(&charged, tables)?;
        return Ok(failures);
    }
    if !charged.is_bound() {
        // Nothing depends on it yet: its owner just binds another.
        second_factor::remove_factor(&charged, tables)?;
        return Ok(failures);
    }
    let disabled = Factor {
        state: FactorState::Disabled { at: moment.now },
        ..charged
    };
    second_factor::put_factor(&disabled, tables)?;
    outbox::notify(moment, &standing.account, Notice::AuthenticatorDisabled {}, tables)?;
    Ok(failures)
}

/// The factors that a code is compared with.
fn candidates(standing: &Standing, pending: bool, now: Timestamp) -> Vec<&Factor> {
    query::answerable_all(&standing.factors, now)
        .into_iter()
        .filter(|factor| factor.is_bound() || pending)
        .collect()
}
