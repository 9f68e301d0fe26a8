//! The password was right: a session, or a demand for a second factor. The demand is the strictest of what the account's
//! owner, the rules, the password's length and the surface ask for, and says why.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment, Trace};
use super::second_factor::CODE_USED_BEFORE;
use super::standing::Standing;
use super::{challenges, finish, guess, networks, sessions};
use crate::account::Role;
use crate::challenge::Challenge;
use crate::command::{Answer, SignIn};
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::limits::{CHALLENGE_ANSWERS_MAX, CHALLENGE_SECONDS, MAILED_CHALLENGE_SECONDS, PENDING_FACTOR_SECONDS};
use crate::policy::RiskMode;
use crate::policy::risk::{self, Facts, Reasons};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &SignIn, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    let Some(mut standing) = Standing::read(moment, command.account, tables)? else {
        return denied(Denial::InvalidCredentials {});
    };
    let kinds = command.answer.as_ref().map_or(Methods::NONE, answer::kinds);
    let password = standing.password_blocked_until(now);
    let blocked_until = password.max(standing.answer_blocked_until(kinds, now));
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if let Some(denial) = standing.account.refusal() {
        return denied(denial);
    }
    // Ids that are in use are a fault of the proposer's randomness.
    if query::challenge(tables, command.challenge)?.is_some() || sessions::is_taken(command.session.session, tables)? {
        return denied(Denial::ChallengeGone {});
    }
    let facts = networks::facts(moment, &standing, command.share, tables)?;
    let trace = demand(moment, &standing, facts, command.always);
    if let Some(answer) = &command.answer {
        return with_answer(moment, command, standing, answer, trace, tables);
    }
    if trace.reasons.is_empty() {
        standing.clear();
        return finish::login(moment, standing, &command.session, Methods::PASSWORD, trace, tables);
    }
    challenge(moment, command, standing, trace, tables)
}

/// Why this login is asked for a second factor, and why it would be.
fn demand(moment: Moment<'_>, standing: &Standing, facts: Facts, always: bool) -> Trace {
    let (account, policy) = (&standing.account, &standing.policy);
    let all = match policy.risk.mode {
        RiskMode::Enforced | RiskMode::Shadow => risk::evaluate(&policy.risk, &facts, moment.now),
        RiskMode::Off => Reasons::NONE.and_if(facts.role == Role::Admin, Reasons::ADMIN),
    };
    let enforced = risk::enforced(&policy.risk, all);
    let own = standing.factors.iter().any(Factor::is_bound) || account.email_factor_since.is_some();
    let remembered = policy.remembered_device_suffices && standing.device().is_some_and(|device| device.remembered);
    let reasons = enforced
        .and_if(own && !remembered, Reasons::FACTOR_BOUND)
        .and_if(!(account.password_alone || own && remembered), Reasons::SHORT_PASSWORD)
        .and_if(!account.unmet.is_empty(), Reasons::UNMET)
        .and_if(always, Reasons::ALWAYS);
    Trace {
        reasons,
        shadow_reasons: all.without(enforced),
        facts: Some(facts),
        device: standing.device().map(|device| device.id),
        ..Trace::default()
    }
}

fn with_answer(
    moment: Moment<'_>,
    command: &SignIn,
    mut standing: Standing,
    answer: &Answer,
    trace: Trace,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let invalid = Decision::denied(Denial::InvalidCredentials {})
        .about(command.account)
        .traced(trace);
    let offer = Offer {
        methods: standing.methods(),
        mailed: None,
        pending: false,
    };
    match answer::judge(&standing, offer, answer, moment.now) {
        Verdict::Right(proof) => {
            let proved = Methods::PASSWORD.and(proof.method());
            answer::accept(moment, &mut standing, proof, answer, tables)?;
            finish::login(moment, standing, &command.session, proved, trace, tables)
        }
        Verdict::UsedBefore => Ok(invalid.known_as(CODE_USED_BEFORE)),
        Verdict::Wrong(compared) => {
            answer::charge(moment, standing, compared, false, tables)?;
            Ok(invalid.known_as("invalid_code"))
        }
        // Charged to the account: otherwise a code of a kind that it does not have would test passwords for nothing.
        Verdict::NotOffered => {
            standing.charge_password(moment.now, tables)?;
            Ok(invalid.known_as("method_not_offered"))
        }
    }
}

/// Opens a challenge. It counts as a failure until it is answered, because the demand tells that the password was right.
fn challenge(
    moment: Moment<'_>,
    command: &SignIn,
    mut standing: Standing,
    trace: Trace,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let methods = standing.methods();
    let enrols = methods.is_empty();
    let bound = standing.factors.iter().any(Factor::is_bound);
    if enrols && (bound || standing.account.role == Role::Admin) {
        // Bound, and nothing of it works any more. An administrator's next factor is not bound by the password alone either.
        standing.charge_password(moment.now, tables)?;
        return Ok(Decision::denied(Denial::FactorDisabled {})
            .about(command.account)
            .traced(trace));
    }
    if enrols && standing.elsewhere {
        // The password alone binds no first factor where its owner is not known: a mail to the address helps.
        standing.charge_password(moment.now, tables)?;
        return Ok(Decision::denied(Denial::AddressUnconfirmed {})
            .about(command.account)
            .traced(trace));
    }
    let seconds = if enrols {
        PENDING_FACTOR_SECONDS
    } else if methods.has(Methods::EMAIL) {
        MAILED_CHALLENGE_SECONDS
    } else {
        CHALLENGE_SECONDS
    };
    let mut challenge = Challenge {
        id: command.challenge,
        account: command.account,
        created_at: moment.now,
        expires_at: moment.now.plus_seconds(seconds),
        answers_left: CHALLENGE_ANSWERS_MAX,
        methods: methods.and_if(enrols, Methods::TOTP),
        reasons: trace.reasons,
        mailed: None,
        mails: 0,
        device: trace.device,
        step_up: None,
        enrols,
    };
    let mut mail = None;
    if let Some(code) = command.code.as_ref().filter(|_| methods.has(Methods::EMAIL)) {
        // Too much mail: the challenge waits for another method, or for a code that is asked for later.
        mail = challenges::mail_code(moment, &mut challenge, &mut standing.account, code, tables)?.ok();
    }
    challenges::open(&challenge, tables)?;
    // Each of these is asked for again by itself, or is no reason that can go away.
    let lasting = Reasons::FACTOR_BOUND
        .and(Reasons::SHORT_PASSWORD)
        .and(Reasons::ALWAYS)
        .and(Reasons::ADMIN);
    standing.account.unmet = standing.account.unmet.and(trace.reasons.without(lasting));
    standing.charge_password(moment.now, tables)?;
    let (challenge, expires_at, reasons) = (challenge.id, challenge.expires_at, trace.reasons);
    let reply = if enrols {
        Reply::EnrolmentStarted {
            challenge,
            expires_at,
            reasons,
        }
    } else {
        Reply::SecondFactorRequired {
            challenge,
            expires_at,
            methods,
            reasons,
            mail,
        }
    };
    Ok(Decision::new(reply).about(command.account).traced(trace))
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
