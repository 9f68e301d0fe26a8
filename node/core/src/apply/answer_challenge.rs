//! Answers a challenge: budgets, single use and the session, in one entry.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment, Trace};
use super::second_factor::CODE_USED_BEFORE;
use super::standing::Standing;
use super::{challenges, finish, guess, sessions, step_up};
use crate::challenge::Challenge;
use crate::command::{Answer, AnswerChallenge, NewSession};
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::ids::{ChallengeId, SessionId};
use crate::query;
use crate::reply::Denial;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

pub(super) fn apply(
    moment: Moment<'_>,
    command: &AnswerChallenge,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let answered = Answered {
        challenge: command.challenge,
        base_seq: command.base_seq,
        answer: &command.answer,
        session: &command.session,
    };
    run(moment, &answered, tables)
}

/// What both verbs that answer challenges hold.
pub(super) struct Answered<'a> {
    pub(super) challenge: ChallengeId,
    pub(super) base_seq: u64,
    pub(super) answer: &'a Answer,
    pub(super) session: &'a NewSession,
}

/// See [`AnswerChallenge`].
pub(super) fn run(moment: Moment<'_>, command: &Answered<'_>, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let Some((challenge, account)) = challenges::live(now, command.challenge, tables)? else {
        return Ok(Decision::denied(Denial::ChallengeGone {}));
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account.id));
    if let Some(denial) = account.refusal() {
        return denied(denial);
    }
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return denied(Denial::ChallengeGone {});
    };
    let offer = offer(&challenge);
    let kinds = answer::kinds(command.answer).common(offer.methods);
    // The factors' budgets only: this login was charged to the account when it began, and its right code must get in.
    let blocked_until = standing.answer_blocked_until(kinds, now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if challenge.step_up.is_none() && sessions::is_taken(command.session.session, tables)? {
        return denied(Denial::ChallengeGone {});
    }
    match answer::judge(&standing, offer, command.answer, now) {
        Verdict::Right(proof) => {
            let method = proof.method();
            tables.remove(Table::Challenges, &challenge.id.0)?;
            answer::accept(moment, &mut standing, proof, command.answer, tables)?;
            match challenge.step_up {
                Some(session) => stepped_up(moment, standing, session, method, tables),
                None => {
                    let trace = Trace {
                        reasons: challenge.reasons,
                        ..Trace::default()
                    };
                    let proved = Methods::PASSWORD.and(method);
                    finish::login(moment, standing, command.session, proved, trace, tables)
                }
            }
        }
        Verdict::UsedBefore => {
            challenges::take_answer(moment, challenge, &mut standing.account, tables)?;
            // The mail that the last answer causes is counted.
            crate::tables::schema::put(tables, Table::Accounts, &standing.account.id.0, &standing.account)?;
            Ok(Decision::denied(Denial::InvalidCode {})
                .about(account.id)
                .known_as(CODE_USED_BEFORE))
        }
        Verdict::Wrong(compared) => {
            challenges::take_answer(moment, challenge, &mut standing.account, tables)?;
            answer::charge(moment, standing, compared, offer.pending, tables)?;
            denied(Denial::InvalidCode {})
        }
        Verdict::NotOffered => denied(not_offered(&standing, kinds, now)),
    }
}

fn offer(challenge: &Challenge) -> Offer {
    // Challenges of the first version did not say: they take the codes of authenticator apps.
    let old = challenge.methods.is_empty();
    Offer {
        methods: challenge.methods.and_if(old, Methods::TOTP),
        mailed: challenge.mailed,
        pending: challenge.enrols || old,
    }
}

fn not_offered(standing: &Standing, kinds: Methods, now: Timestamp) -> Denial {
    let usable = query::answerable(&standing.factors, now).is_some();
    let bound = standing.factors.iter().any(Factor::is_bound);
    if kinds.is_empty() {
        Denial::MethodNotOffered {}
    } else if kinds.has(Methods::TOTP) && bound && !usable {
        Denial::FactorDisabled {}
    } else {
        Denial::InvalidCode {}
    }
}

fn stepped_up(
    moment: Moment<'_>,
    standing: Standing,
    session: SessionId,
    method: Methods,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let id = standing.account.id;
    guess::put_advanced(standing.account, tables)?;
    match query::session(tables, session)?.filter(|session| session.is_live(moment.now)) {
        Some(session) => step_up::renew(moment.now, session, method, tables),
        None => Ok(Decision::denied(Denial::SessionRevoked {}).about(id)),
    }
}
