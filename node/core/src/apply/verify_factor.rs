//! Answers a challenge: budgets, single use and the session, in one entry.

use super::decision::{Decision, Moment};
use super::guess;
use super::second_factor::{self, CODE_USED_BEFORE, NewSession, Verdict};
use crate::account::AccountStatus;
use crate::challenge::Challenge;
use crate::command::VerifyFactor;
use crate::error::Fault;
use crate::factor::Factor;
use crate::query;
use crate::reply::Denial;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &VerifyFactor, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let Some(challenge) = query::challenge(tables, command.challenge)?.filter(|row| now < row.expires_at) else {
        return Ok(Decision::denied(Denial::ChallengeGone {}));
    };
    let denied = |denial| Ok(Decision::denied(denial).about(challenge.account));
    let Some(account) = query::account(tables, challenge.account)? else {
        return denied(Denial::ChallengeGone {});
    };
    if account.status == AccountStatus::Disabled {
        return denied(Denial::AccountDisabled {});
    }
    let factors = query::factors(tables, account.id)?;
    let answerable = query::answerable(&factors, now);
    // The factor's budget only: this login was charged to the account when it began, and its right code must get in.
    let blocked_until = answerable.and_then(|factor| factor.throttle.blocked_until(now));
    if let Some(decision) = guess::refused_unseen(&account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    let session = NewSession {
        id: command.session,
        seconds: command.session_seconds,
    };
    if session.is_taken(tables)? {
        return denied(Denial::ChallengeGone {});
    }
    // Whatever was compared, it was not this account's factor: that is no guess, and is answered whatever it gave.
    let Some(factor) = answerable.filter(|factor| factor.id == command.code.factor).cloned() else {
        let disabled = answerable.is_none() && factors.iter().any(Factor::is_bound);
        return denied(if disabled {
            Denial::FactorDisabled {}
        } else {
            Denial::InvalidCode {}
        });
    };
    let decision = Decision::denied(Denial::InvalidCode {}).about(account.id);
    match second_factor::judge(&factor, &command.code) {
        Verdict::Right { step } => {
            tables.remove(Table::Challenges, &challenge.id.0)?;
            second_factor::accept(moment, account, factor, step, session, tables)
        }
        Verdict::UsedBefore => {
            take_answer(challenge, tables)?;
            Ok(decision.known_as(CODE_USED_BEFORE))
        }
        Verdict::Wrong => {
            take_answer(challenge, tables)?;
            second_factor::charge(moment, account, factor, tables)?;
            Ok(decision)
        }
    }
}

fn take_answer(challenge: Challenge, tables: &mut impl Tables) -> Result<(), Fault> {
    match challenge.answers_left.saturating_sub(1) {
        0 => Ok(tables.remove(Table::Challenges, &challenge.id.0)?),
        answers_left => put(
            tables,
            Table::Challenges,
            &challenge.id.0,
            &Challenge {
                answers_left,
                ..challenge
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::apply::testing::{Bench, id};
    use crate::factor::FactorState;
    use crate::ids::{ChallengeId, FactorId};
    use crate::limits::{CHALLENGE_ANSWERS_MAX, CHALLENGE_SECONDS, FACTOR_FAILURES_MAX, PENDING_FACTOR_SECONDS};
    use crate::outbox::MailTemplate;
    use crate::reply::Reply;

    const INVALID: Reply = Reply::Denied(Denial::InvalidCode {});
    const GONE: Reply = Reply::Denied(Denial::ChallengeGone {});

    #[test]
    fn otp_3_code_is_accepted_once() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let first = bench.start(account);
        let second = bench.start(account);
        let step = bench.step();
        assert!(matches!(
            bench.verify(first, factor, Some(step)),
            Reply::SessionStarted(_)
        ));
        assert_eq!(bench.verify(second, factor, Some(step)), INVALID);
        assert_eq!(
            bench.verify(second, factor, Some(step - 1)),
            INVALID,
            "an older step is worth nothing either"
        );
        assert_eq!(
            bench.verify(first, factor, Some(step + 1)),
            GONE,
            "a challenge starts one session"
        );
        assert!(matches!(
            bench.verify(second, factor, Some(step + 1)),
            Reply::SessionStarted(_)
        ));
    }

    #[test]
    fn a_challenge_takes_five_answers() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        for _ in 0..CHALLENGE_ANSWERS_MAX {
            assert_eq!(bench.verify(challenge, factor, None), INVALID);
        }
        let step = bench.step();
        assert_eq!(bench.verify(challenge, factor, Some(step)), GONE);
        assert_eq!(
            bench.factor(account, factor).throttle.failures,
            u32::from(CHALLENGE_ANSWERS_MAX)
        );
    }

    #[test]
    fn the_right_code_gets_in_while_the_account_is_blocked_by_its_own_start() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        bench.fail_passwords(account, 4);
        let challenge = bench.start(account);
        assert!(bench.account(account).throttle.blocked_until(bench.now).is_some());
        let step = bench.step();
        assert!(matches!(
            bench.verify(challenge, factor, Some(step)),
            Reply::SessionStarted(_)
        ));
        assert_eq!(bench.account(account).throttle.failures, 0, "success clears the budget");
        assert_eq!(bench.factor(account, factor).throttle.failures, 0);
    }

    #[test]
    fn th_2_a_blocked_factor_is_not_looked_at() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let used_up = bench.start(account);
        let challenge = bench.start(account);
        for _ in 0..5 {
            bench.verify(used_up, factor, None);
        }
        let until = bench.now.plus_seconds(30);
        let step = bench.step();
        let before = (
            bench.account(account),
            bench.factor(account, factor),
            query::challenge(&bench.tables, challenge),
        );
        assert_eq!(
            bench.verify(challenge, factor, Some(step)),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
        assert_eq!(
            before,
            (
                bench.account(account),
                bench.factor(account, factor),
                query::challenge(&bench.tables, challenge)
            )
        );
        bench.wait(30);
        let step = bench.step();
        assert!(matches!(
            bench.verify(challenge, factor, Some(step)),
            Reply::SessionStarted(_)
        ));
    }

    #[test]
    fn th_1_the_hundredth_failure_disables_the_factor() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        for failures in 1..=FACTOR_FAILURES_MAX {
            bench.wait(3600);
            let challenge = bench.start(account);
            assert_eq!(bench.verify(challenge, factor, None), INVALID, "failure {failures}");
        }
        bench.wait(3600);
        let challenge = bench.start(account);
        let step = bench.step();
        assert_eq!(
            bench.verify(challenge, factor, Some(step)),
            Reply::Denied(Denial::FactorDisabled {})
        );
        assert!(matches!(
            bench.factor(account, factor).state,
            FactorState::Disabled { .. }
        ));
    }

    #[test]
    fn otp_8_the_first_right_code_confirms_a_pending_factor_and_its_owner_is_told() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let challenge = bench.start(account);
        let factor = bench.enrol(account);
        assert_eq!(bench.verify(challenge, factor, None), INVALID);
        assert!(!bench.factor(account, factor).is_bound());
        let step = bench.step();
        assert!(matches!(
            bench.verify(challenge, factor, Some(step)),
            Reply::SessionStarted(_)
        ));
        assert_eq!(
            bench.factor(account, factor).state,
            FactorState::Confirmed { at: bench.now }
        );
        let mail = query::outbox(&bench.tables, 9).unwrap();
        let [mail] = mail.as_slice() else { panic!("{mail:?}") };
        assert_eq!(
            mail.template,
            MailTemplate::AuthenticatorAdded { username: "ana".into() }
        );
        assert_eq!((mail.key, mail.to.as_str()), (bench.index, "ana@example.org"));
    }

    #[test]
    fn otp_8_a_pending_factor_is_void_after_ten_minutes_and_a_replaced_one_at_once() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let replaced = bench.enrol(account);
        let factor = bench.enrol(account);
        bench.wait(1);
        let challenge = bench.start(account);
        let step = bench.step();
        assert_eq!(bench.verify(challenge, replaced, Some(step)), INVALID);
        bench.wait(PENDING_FACTOR_SECONDS - 1);
        let step = bench.step();
        assert_eq!(bench.verify(challenge, factor, Some(step)), INVALID);
        assert!(
            !query::factors(&bench.tables, account)
                .unwrap()
                .iter()
                .any(Factor::is_bound)
        );
    }

    #[test]
    fn a_pending_factor_is_removed_at_the_limit() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let factor = bench.enrol(account);
        let mut row = bench.factor(account, factor);
        row.throttle.failures = FACTOR_FAILURES_MAX - 1;
        second_factor::put_factor(&row, &mut bench.tables).unwrap();
        let challenge = bench.start(account);
        assert_eq!(bench.verify(challenge, factor, None), INVALID);
        assert_eq!(query::factors(&bench.tables, account).unwrap(), []);
    }

    #[test]
    fn an_expired_or_unknown_challenge_is_gone() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let step = bench.step();
        assert_eq!(bench.verify(ChallengeId(id(99)), factor, Some(step)), GONE);
        bench.wait(CHALLENGE_SECONDS);
        let step = bench.step();
        assert_eq!(bench.verify(challenge, factor, Some(step)), GONE);
    }

    #[test]
    fn an_expired_challenge_is_gone_although_its_removal_lags_behind() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let row = query::challenge(&bench.tables, challenge).unwrap().unwrap();
        let expired = Challenge {
            expires_at: bench.now,
            ..row
        };
        put(&mut bench.tables, Table::Challenges, &challenge.0, &expired).unwrap();
        let step = bench.step();
        assert_eq!(bench.verify(challenge, factor, Some(step)), GONE);
        assert_eq!(query::challenge(&bench.tables, challenge).unwrap(), Some(expired));
    }

    #[test]
    fn a_disabled_account_gets_no_session() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let disabled = Account {
            status: AccountStatus::Disabled,
            ..bench.account(account)
        };
        put(&mut bench.tables, Table::Accounts, &account.0, &disabled).unwrap();
        let step = bench.step();
        assert_eq!(
            bench.verify(challenge, factor, Some(step)),
            Reply::Denied(Denial::AccountDisabled {})
        );
    }

    #[test]
    fn evidence_about_another_accounts_factor_is_no_guess() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let (_, other) = bench.bound_account("ben");
        let challenge = bench.start(account);
        let before = bench.factor(account, factor);
        let step = bench.step();
        assert_eq!(bench.verify(challenge, other, Some(step)), INVALID);
        assert_eq!(bench.verify(challenge, FactorId(id(99)), Some(step)), INVALID);
        assert_eq!(bench.factor(account, factor), before);
    }
}
