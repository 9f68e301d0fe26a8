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
            #[cfg(feature = "mutations")]
            if mutations::on(mutations::Mutation::ChallengeKept) {
                crate::tables::schema::put(tables, Table::Challenges, &challenge.id.0, &challenge)?;
            }
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

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted, mac, password, token};
    use crate::command::*;
    use crate::factor::Methods;
    use crate::limits::{CHALLENGE_ANSWERS_MAX, FACTOR_FAILURES_MAX, MAILED_CHALLENGE_SECONDS, MAILED_CODE_SECONDS};
    use crate::outbox::{MailTemplate, Notice};
    use crate::query;
    use crate::reply::{Denial, Reply};
    use crate::session::Proved;

    const INVALID: Reply = Reply::Denied(Denial::InvalidCode {});
    const GONE: Reply = Reply::Denied(Denial::ChallengeGone {});

    #[test]
    fn otp_11_a_mailed_code_works_once_and_only_for_its_own_challenge() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let first = bench.demanded(account, 1);
        let second = bench.demanded(account, 2);
        assert_eq!(bench.answer_mail(second, 1), INVALID, "another challenge's code");
        let grant = granted(bench.answer_mail(first, 1));
        assert_eq!(grant.proved, Proved(Methods::PASSWORD.and(Methods::EMAIL)));
        assert!(!grant.proved.0.is_aal2(), "otp_12: mail is no authenticator");
        assert_eq!(bench.answer_mail(first, 1), GONE);
    }

    #[test]
    fn otp_11_a_mailed_code_is_void_after_five_minutes_and_when_a_newer_one_was_sent() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let challenge = bench.demanded(account, 1);
        bench.wait(MAILED_CODE_SECONDS);
        assert_eq!(bench.answer_mail(challenge, 1), INVALID);
        assert!(matches!(bench.send_code(challenge, 2), Reply::CodeSent { .. }));
        assert!(matches!(bench.send_code(challenge, 3), Reply::CodeSent { .. }));
        assert_eq!(bench.answer_mail(challenge, 2), INVALID, "the newer one is good");
        granted(bench.answer_mail(challenge, 3));
    }

    #[test]
    fn otp_11_another_code_does_not_refill_the_guesses() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let challenge = bench.demanded(account, 1);
        for guess in 0..CHALLENGE_ANSWERS_MAX {
            assert_eq!(bench.answer_mail(challenge, 900), INVALID, "guess {guess}");
            if guess < 3 {
                assert!(matches!(bench.send_code(challenge, 2), Reply::CodeSent { .. }));
            }
        }
        assert_eq!(bench.answer_mail(challenge, 2), GONE);
        let failures = bench.account(account).mailed_throttle.failures;
        assert_eq!(failures, u32::from(CHALLENGE_ANSWERS_MAX));
        let other = bench.sign_in_with(account, |command| command.always = true);
        assert!(
            matches!(other, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{other:?}"
        );
    }

    #[test]
    fn th_1_mailed_codes_are_no_method_after_a_hundred_failures() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        bench.change(account, |row| row.mailed_throttle.failures = FACTOR_FAILURES_MAX - 1);
        let challenge = bench.demanded(account, 1);
        assert_eq!(bench.answer_mail(challenge, 900), INVALID);
        bench.wait(3_600);
        let reply = bench.sign_in_with(account, |command| command.always = true);
        assert!(matches!(reply, Reply::EnrolmentStarted { .. }), "{reply:?}");
    }

    #[test]
    fn rc_1_a_recovery_code_works_once_and_its_owner_is_told_how_many_are_left() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        assert_eq!(
            bench.issue_codes(session, 100),
            Reply::RecoveryCodesIssued { count: 10 }
        );
        bench.notices();
        let first = bench.start(account);
        let grant = granted(bench.answer_recovery(first, 100));
        assert!(grant.proved.0.has(Methods::RECOVERY) && grant.proved.0.is_aal2());
        assert_eq!(bench.notices(), [Notice::RecoveryCodeUsed { left: 9 }]);
        let second = bench.start(account);
        assert_eq!(bench.answer_recovery(second, 100), INVALID, "used");
        let codes = query::recovery_codes(&bench.tables, account).unwrap().unwrap();
        assert_eq!(codes.throttle.failures, 0, "a spent code is no guess");
        assert_eq!(bench.answer_recovery(second, 999), INVALID);
        let codes = query::recovery_codes(&bench.tables, account).unwrap().unwrap();
        assert_eq!(codes.throttle.failures, 1, "th_8: a wrong one is");
        granted(bench.answer_recovery(second, 101));
        assert_eq!(
            query::recovery_codes(&bench.tables, account).unwrap().unwrap().left(),
            8
        );
    }

    #[test]
    fn a_replacement_that_comes_with_a_recovery_code_joins_the_set() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        bench.issue_codes(session, 100);
        bench.notices();
        let first = bench.start(account);
        granted(bench.answer_with(
            first,
            Answer {
                recovery: Some(mac(100)),
                replacement: Some(mac(200)),
                ..Answer::default()
            },
        ));
        assert_eq!(bench.notices(), [Notice::RecoveryCodeUsed { left: 10 }]);
        let second = bench.start(account);
        granted(bench.answer_recovery(second, 200));
    }

    #[test]
    fn rc_1_a_new_set_voids_the_old_one() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        bench.issue_codes(session, 100);
        bench.issue_codes(session, 300);
        let challenge = bench.start(account);
        assert_eq!(bench.answer_recovery(challenge, 100), INVALID);
        granted(bench.answer_recovery(challenge, 300));
        let few = bench.run(Command::IssueRecoveryCodes(IssueRecoveryCodes {
            session,
            hashes: vec![mac(1)],
        }));
        assert_eq!(few, Reply::Denied(Denial::InvalidCommand {}));
    }

    #[test]
    fn a_code_field_is_one_guess_at_everything_it_is_compared_with() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let now = bench.now;
        bench.change(account, |row| {
            row.email_confirmed_at = Some(now);
            row.email_factor_since = Some(now);
        });
        let challenge = bench.demanded(account, 1);
        let both = |matched_step, code| Answer {
            totp: Some(CodeEvidence { factor, matched_step }),
            mailed: Some(mac(code)),
            ..Answer::default()
        };
        assert_eq!(bench.answer_with(challenge, both(None, 900)), INVALID);
        assert_eq!(bench.factor(account, factor).throttle.failures, 1);
        assert_eq!(bench.account(account).mailed_throttle.failures, 1);
        assert_eq!(
            query::challenge(&bench.tables, challenge)
                .unwrap()
                .unwrap()
                .answers_left,
            4
        );
        let grant = granted(bench.answer_with(challenge, both(None, 1)));
        assert!(!grant.proved.0.is_aal2());
    }

    #[test]
    fn otp_9_a_code_is_compared_with_all_authenticators_and_charged_to_all() {
        let mut bench = Bench::new();
        let (account, first) = bench.bound_account("ana");
        let second = bench.add_totp(account, first);
        let challenge = bench.start(account);
        assert_eq!(bench.verify(challenge, first, None), INVALID);
        for factor in [first, second] {
            assert_eq!(bench.factor(account, factor).throttle.failures, 1);
        }
        bench.wait(60);
        let step = bench.step();
        granted(bench.verify(challenge, second, Some(step)));
        for factor in [first, second] {
            assert_eq!(bench.factor(account, factor).throttle.failures, 0);
        }
    }

    #[test]
    fn what_was_not_offered_is_no_guess() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        assert_eq!(
            bench.answer_mail(challenge, 1),
            Reply::Denied(Denial::MethodNotOffered {})
        );
        assert_eq!(bench.factor(account, factor).throttle.failures, 0);
        assert_eq!(
            query::challenge(&bench.tables, challenge)
                .unwrap()
                .unwrap()
                .answers_left,
            5
        );
    }

    #[test]
    fn us_1_the_owner_is_told_of_a_login_that_was_begun_and_not_finished() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        bench.demanded(account, 1);
        bench.notices();
        bench.wait(MAILED_CHALLENGE_SECONDS);
        bench.fail_passwords(account, 1);
        assert_eq!(bench.notices(), [Notice::LoginAbandoned {}]);
    }

    #[test]
    fn a_password_change_voids_what_was_begun_with_the_old_one() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        let challenge = bench.demanded(account, 1);
        bench.run(Command::RequestPasswordReset(RequestPasswordReset {
            subject: ResetSubject::Account(account),
            token: token(50),
        }));
        bench.wait(1);
        let base_seq = bench.account(account).auth_seq;
        let change = ChangePassword {
            session,
            base_seq,
            password: password(true),
        };
        assert_eq!(bench.run(Command::ChangePassword(change)), Reply::Done {});
        assert_eq!(bench.answer_mail(challenge, 1), GONE);
        assert_eq!(query::mail_token(&bench.tables, &mac(50), bench.now).unwrap(), None);
    }

    #[test]
    fn th_9_an_account_causes_five_mails_in_ten_minutes() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let challenge = bench.demanded(account, 1);
        for code in 2..=5 {
            assert!(matches!(bench.send_code(challenge, code), Reply::CodeSent { .. }));
        }
        let until = bench.now.plus_seconds(600);
        assert_eq!(
            bench.send_code(challenge, 6),
            Reply::Denied(Denial::TooManyMails { until })
        );
        let codes = bench
            .mails()
            .into_iter()
            .filter(|mail| matches!(mail.template, MailTemplate::LoginCode { .. }));
        assert_eq!(codes.count(), 5);
        granted(bench.answer_mail(challenge, 5));
    }
}
