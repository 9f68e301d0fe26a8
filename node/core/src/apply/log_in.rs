//! Password and code in one request; the password was right. One refusal for both, so that which was wrong is not told.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment, Trace};
use super::second_factor::CODE_USED_BEFORE;
use super::standing::Standing;
use super::{finish, guess, sessions};
use crate::command::{Answer, LogIn, NewSession};
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::query;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &LogIn, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    let Some(mut standing) = Standing::read(moment, command.account, tables)? else {
        return denied(Denial::InvalidCredentials {});
    };
    let password = standing.password_blocked_until(now);
    let blocked_until = password.max(standing.answer_blocked_until(Methods::TOTP, now));
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if let Some(denial) = standing.account.refusal() {
        return denied(denial);
    }
    if sessions::is_taken(command.session, tables)? {
        return denied(Denial::SessionRevoked {});
    }
    // A seed that nobody confirmed counts only where the password alone may bind one.
    let pending = query::may_enrol_with_password(
        &standing.account,
        &standing.factors,
        &standing.policy,
        standing.elsewhere,
    );
    let usable = query::answerable(&standing.factors, now).filter(|factor| factor.is_bound() || pending);
    if usable.is_none() {
        // Not charged: the password was right, and no code could have been.
        let disabled = standing.factors.iter().any(Factor::is_bound);
        return denied(if disabled {
            Denial::FactorDisabled {}
        } else {
            Denial::EnrolmentRequired {}
        });
    }
    let decision = Decision::denied(Denial::InvalidCredentials {}).about(command.account);
    let offer = Offer {
        methods: Methods::TOTP,
        mailed: None,
        pending,
    };
    let answer = Answer {
        totp: command.code,
        ..Answer::default()
    };
    match answer::judge(&standing, offer, &answer, now) {
        Verdict::Right(proof) => {
            let proved = Methods::PASSWORD.and(proof.method());
            answer::accept(moment, &mut standing, proof, &answer, tables)?;
            let session = NewSession {
                session: command.session,
                seconds: command.session_seconds,
                idle_seconds: command.idle_seconds,
                device: command.device.clone(),
            };
            finish::login(moment, standing, &session, proved, Trace::default(), tables)
        }
        // Not charged, here and in `answer_challenge`: whoever repeats a spent code guesses nothing and can win nothing,
        // and an impatient client must not lock its owner out.
        Verdict::UsedBefore => Ok(decision.known_as(CODE_USED_BEFORE)),
        Verdict::Wrong(_) | Verdict::NotOffered => {
            answer::charge(moment, standing, Methods::TOTP, pending, tables)?;
            Ok(decision.known_as("invalid_code"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, AccountStatus};
    use crate::apply::testing::{Bench, granted};
    use crate::command::{CodeEvidence, Command, NewDevice};
    use crate::factor::FactorState;
    use crate::ids::DeviceId;
    use crate::limits::{FACTOR_FAILURES_MAX, PENDING_FACTOR_SECONDS, TOTP_STEP_SECONDS};
    use crate::reply::Reply;
    use crate::tables::Table;
    use crate::tables::schema::put;

    const INVALID: Reply = Reply::Denied(Denial::InvalidCredentials {});

    #[test]
    fn otp_3_code_is_accepted_once() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let step = bench.step();
        assert!(matches!(
            bench.log_in(account, Some((factor, Some(step)))),
            Reply::SessionStarted(_)
        ));
        for _ in 0..30 {
            assert_eq!(bench.log_in(account, Some((factor, Some(step)))), INVALID);
        }
        assert_eq!(
            bench.factor(account, factor).throttle.failures,
            0,
            "a spent code is no guess"
        );
        assert_eq!(bench.account(account).throttle.failures, 0);
    }

    #[test]
    fn a_challenge_and_a_login_in_one_request_share_the_step() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let step = bench.step();
        assert!(matches!(
            bench.log_in(account, Some((factor, Some(step)))),
            Reply::SessionStarted(_)
        ));
        assert_eq!(
            bench.verify(challenge, factor, Some(step)),
            Reply::Denied(Denial::InvalidCode {})
        );
    }

    #[test]
    fn pw_1_the_password_alone_leads_to_enrolment_and_never_to_a_session() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let before = bench.account(account);
        assert_eq!(bench.log_in(account, None), Reply::Denied(Denial::EnrolmentRequired {}));
        assert_eq!(bench.account(account), before, "a right password is not charged");
        let factor = bench.enrol(account);
        assert_eq!(bench.log_in(account, None), INVALID);
        let step = bench.step();
        assert!(matches!(
            bench.log_in(account, Some((factor, Some(step)))),
            Reply::SessionStarted(_)
        ));
        assert!(bench.factor(account, factor).is_bound());
        assert_eq!(bench.log_in(account, None), INVALID);
    }

    #[test]
    fn th_5_a_login_with_both_factors_gives_its_device_a_budget_of_its_own() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let log_in = |bench: &mut Bench, device| {
            let command = LogIn {
                account,
                base_seq: bench.account(account).auth_seq,
                code: Some(CodeEvidence {
                    factor,
                    matched_step: Some(bench.step()),
                }),
                session: bench.draw_session(),
                session_seconds: 86_400,
                device,
                idle_seconds: None,
            };
            bench.run(Command::LogIn(command))
        };
        let new = NewDevice {
            device: DeviceId(bench.draw()),
            name: "Firefox".into(),
            remembered: false,
        };
        let grant = granted(log_in(&mut bench, Some(new)));
        bench.block(account);
        // The next step, and not yet the end of the delay.
        bench.wait(TOTP_STEP_SECONDS - 1);
        let stranger = log_in(&mut bench, None);
        assert!(
            matches!(stranger, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{stranger:?}"
        );
        bench.show_device(grant.device.unwrap());
        let owner = granted(log_in(&mut bench, None));
        assert_eq!(owner.device.map(|device| device.generation), Some(2));
    }

    #[test]
    fn an_expired_pending_factor_is_no_factor() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let factor = bench.enrol(account);
        bench.wait(PENDING_FACTOR_SECONDS);
        let step = bench.step();
        let reply = bench.log_in(account, Some((factor, Some(step))));
        assert_eq!(reply, Reply::Denied(Denial::EnrolmentRequired {}));
    }

    #[test]
    fn th_1_a_disabled_factor_lets_nobody_in_and_cannot_be_replaced_by_the_password() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        for _ in 0..FACTOR_FAILURES_MAX {
            bench.wait(3600);
            assert_eq!(bench.log_in(account, Some((factor, None))), INVALID);
        }
        assert!(matches!(
            bench.factor(account, factor).state,
            FactorState::Disabled { .. }
        ));
        bench.wait(3600);
        let step = bench.step();
        let reply = bench.log_in(account, Some((factor, Some(step))));
        assert_eq!(reply, Reply::Denied(Denial::FactorDisabled {}));
        assert_eq!(bench.try_enrol(account), Reply::Denied(Denial::AlreadyEnrolled {}));
    }

    #[test]
    fn th_2_wrong_passwords_and_wrong_codes_share_the_accounts_budget() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        bench.fail_passwords(account, 3);
        for _ in 0..2 {
            assert_eq!(bench.log_in(account, Some((factor, None))), INVALID);
        }
        let until = bench.now.plus_seconds(30);
        let step = bench.step();
        let reply = bench.log_in(account, Some((factor, Some(step))));
        assert_eq!(reply, Reply::Denied(Denial::TooManyAttempts { until }));
    }

    #[test]
    fn a_session_id_in_use_does_not_revive_the_session() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let step = bench.step();
        let Reply::SessionStarted(grant) = bench.log_in(account, Some((factor, Some(step)))) else {
            panic!()
        };
        bench.next_session = Some(grant.session);
        let reply = bench.log_in(account, Some((factor, Some(step + 1))));
        assert_eq!(reply, Reply::Denied(Denial::SessionRevoked {}));
        assert_eq!(
            bench.factor(account, factor).last_step,
            Some(step),
            "the code is not used up"
        );
    }

    #[test]
    fn a_disabled_account_gets_no_session() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let disabled = Account {
            status: AccountStatus::Disabled,
            ..bench.account(account)
        };
        put(&mut bench.tables, Table::Accounts, &account.0, &disabled).unwrap();
        let step = bench.step();
        let reply = bench.log_in(account, Some((factor, Some(step))));
        assert_eq!(reply, Reply::Denied(Denial::AccountDisabled {}));
    }
}
