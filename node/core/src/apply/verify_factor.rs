//! Answers a challenge with the code of an authenticator app: the form of `answer_challenge` that came first.

use super::answer_challenge::{self, Answered};
use super::decision::{Decision, Moment};
use crate::command::{Answer, NewSession, VerifyFactor};
use crate::error::Fault;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &VerifyFactor, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let answer = Answer {
        totp: Some(command.code),
        ..Answer::default()
    };
    let session = NewSession {
        session: command.session,
        seconds: command.session_seconds,
        idle_seconds: None,
        device: None,
    };
    let answered = Answered {
        challenge: command.challenge,
        base_seq: command.base_seq,
        answer: &answer,
        session: &session,
    };
    answer_challenge::run(moment, &answered, tables)
}

#[cfg(test)]
mod tests {
    use crate::account::{Account, AccountStatus};
    use crate::apply::second_factor;
    use crate::apply::testing::{Bench, id};
    use crate::challenge::Challenge;
    use crate::factor::{Factor, FactorState};
    use crate::ids::{ChallengeId, FactorId};
    use crate::limits::{CHALLENGE_ANSWERS_MAX, CHALLENGE_SECONDS, FACTOR_FAILURES_MAX, PENDING_FACTOR_SECONDS};
    use crate::outbox::{MAILS_PER_ENTRY_MAX, MailTemplate};
    use crate::query;
    use crate::reply::{Denial, Reply};
    use crate::tables::Table;
    use crate::tables::schema::put;

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
        assert_eq!(
            (mail.key, mail.to.as_str()),
            (bench.index * MAILS_PER_ENTRY_MAX, "ana@example.org")
        );
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
