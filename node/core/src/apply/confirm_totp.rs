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
    // A device token that was copied has ended the sessions of its device: the one that asks may be among them.
    if let Err(denial) = add_totp::authorized(moment, command.authority, tables)? {
        return denied(denial);
    }
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
    let failures = charged.throttle.failures;
    if failures >= FACTOR_FAILURES_MAX {
        second_factor::remove_factor(&charged, tables)?;
    } else {
        second_factor::put_factor(&charged, tables)?;
    }
    standing.charge_answer(moment.now, failures, tables)
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted};
    use crate::command::*;
    use crate::factor::FactorState;
    use crate::ids::FactorId;
    use crate::limits::{DEVICE_GRACE_SECONDS, FACTORS_PER_ACCOUNT_MAX, PENDING_FACTOR_SECONDS, STEP_UP_SECONDS};
    use crate::outbox::{MailTemplate, Notice};
    use crate::query;
    use crate::reply::{Denial, Reply};
    use crate::secret::Sealed;

    fn new_totp(bench: &mut Bench) -> NewTotp {
        NewTotp {
            factor: FactorId(bench.draw()),
            seed: Sealed(vec![4]),
            label: "tablet".into(),
        }
    }

    #[test]
    fn otp_9_otp_8_a_second_authenticator_is_confirmed_with_a_code_whose_step_is_burned() {
        let mut bench = Bench::new();
        let (account, first) = bench.bound_account("ana");
        let mails = bench.mails().len();
        let second = bench.add_totp(account, first);
        assert_eq!(query::factors(&bench.tables, account).unwrap().len(), 2);
        assert!(matches!(
            bench.factor(account, second).state,
            FactorState::Confirmed { .. }
        ));
        let told = bench.mails().split_off(mails);
        assert!(matches!(told[..], [_] if matches!(told[0].template, MailTemplate::AuthenticatorAdded { .. })));
        let burned = bench.factor(account, second).last_step.unwrap();
        let challenge = bench.start(account);
        assert_eq!(
            bench.verify(challenge, second, Some(burned)),
            Reply::Denied(Denial::InvalidCode {})
        );
        let step = bench.step();
        granted(bench.verify(challenge, second, Some(step + 1)));
    }

    #[test]
    fn otp_8_binding_needs_a_session_that_proved_itself_lately_with_the_strongest_factor() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        bench.wait(STEP_UP_SECONDS + 1);
        let add = AddTotp {
            authority: Authority::Session(session),
            new: new_totp(&mut bench),
        };
        assert_eq!(
            bench.run(Command::AddTotp(add)),
            Reply::Denied(Denial::StepUpRequired {})
        );
        // A session that proved the password only does not do for a bound account.
        let other = bench.mailed_account("ben");
        let plain = bench.plain_session(other).session;
        bench.run_add(plain, 77);
        let step = bench.step();
        assert_eq!(bench.run_confirm(plain, 77, Some(step)), Reply::Done {});
        let add = AddTotp {
            authority: Authority::Session(plain),
            new: new_totp(&mut bench),
        };
        assert_eq!(
            bench.run(Command::AddTotp(add)),
            Reply::Denied(Denial::StepUpRequired {})
        );
    }

    #[test]
    fn otp_8_a_code_that_is_wrong_late_or_of_another_factor_confirms_nothing() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        bench.run_add(session, 77);
        let step = bench.step();
        assert_eq!(
            bench.run_confirm(session, 77, None),
            Reply::Denied(Denial::InvalidCode {})
        );
        assert_eq!(
            bench.run_confirm(session, 78, Some(step)),
            Reply::Denied(Denial::NotFound {})
        );
        bench.wait(PENDING_FACTOR_SECONDS);
        assert_eq!(
            bench.run_confirm(session, 77, Some(step)),
            Reply::Denied(Denial::NotFound {})
        );
        assert!(
            !query::factors(&bench.tables, account)
                .unwrap()
                .iter()
                .any(|factor| factor.is_bound())
        );
    }

    #[test]
    fn a_login_that_must_bind_a_factor_may_do_that_and_nothing_else() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let Reply::EnrolmentStarted { challenge, .. } = bench.sign_in(account) else {
            panic!()
        };
        let new = new_totp(&mut bench);
        let factor = new.factor;
        let authority = Authority::Challenge(challenge);
        let add = AddTotp { authority, new };
        assert!(matches!(bench.run(Command::AddTotp(add)), Reply::TotpPending { .. }));
        let code = CodeEvidence {
            factor,
            matched_step: Some(bench.step()),
        };
        let base_seq = bench.account(account).auth_seq;
        let confirm = ConfirmTotp {
            authority,
            base_seq,
            code,
        };
        assert_eq!(bench.run(Command::ConfirmTotp(confirm.clone())), Reply::Done {});
        assert_eq!(
            bench.run(Command::ConfirmTotp(confirm)),
            Reply::Denied(Denial::ChallengeGone {}),
            "the enrolment token is used up"
        );
        // The challenge of a bound account is no enrolment token.
        let Reply::SecondFactorRequired { challenge, .. } = bench.sign_in(account) else {
            panic!()
        };
        let add = AddTotp {
            authority: Authority::Challenge(challenge),
            new: new_totp(&mut bench),
        };
        assert_eq!(
            bench.run(Command::AddTotp(add)),
            Reply::Denied(Denial::AlreadyEnrolled {})
        );
    }

    #[test]
    fn otp_8_a_session_that_its_copied_device_token_ends_binds_nothing() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let first = bench.remember_device(account);
        let session = granted(bench.sign_in(account)).session;
        bench.run_add(session, 77);
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.show_device(first);
        let step = bench.step();
        assert_eq!(
            bench.run_confirm(session, 77, Some(step)),
            Reply::Denied(Denial::SessionRevoked {})
        );
        let factors = query::factors(&bench.tables, account).unwrap();
        assert!(!factors.iter().any(|factor| factor.is_bound()));
        assert_eq!(query::devices(&bench.tables, account).unwrap(), []);
    }

    #[test]
    fn otp_8_the_password_alone_does_not_bind_where_a_code_could_be_mailed() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        bench.enrol(account);
        granted(bench.sign_in(account));
        assert_eq!(
            bench.try_enrol(account),
            Reply::Denied(Denial::AlreadyEnrolled {}),
            "the demand for a mailed code must not be gone around"
        );
    }

    #[test]
    fn us_1_a_removed_authenticator_counts_no_more_and_its_owner_is_told() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        bench.notices();
        let remove = Command::RemoveTotp(RemoveTotp { session, factor });
        assert_eq!(bench.run(remove.clone()), Reply::Done {});
        assert_eq!(bench.notices(), [Notice::AuthenticatorRemoved {}]);
        assert_eq!(bench.run(remove), Reply::Denied(Denial::NotFound {}));
        assert_eq!(query::factors(&bench.tables, account).unwrap(), []);
    }

    #[test]
    fn authenticators_of_an_account_are_bounded() {
        let mut bench = Bench::new();
        let (account, mut factor) = bench.bound_account("ana");
        for _ in 2..FACTORS_PER_ACCOUNT_MAX {
            factor = bench.add_totp(account, factor);
        }
        let session = bench.session_of(account, factor).session;
        let add = AddTotp {
            authority: Authority::Session(session),
            new: new_totp(&mut bench),
        };
        assert_eq!(
            bench.run(Command::AddTotp(add)),
            Reply::Denied(Denial::TooManyFactors {})
        );
    }

    #[test]
    fn mailed_codes_become_a_factor_only_with_a_proven_address_and_go_with_a_proof() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        let set = |bench: &mut Bench, session, enabled| {
            bench.run(Command::SetEmailFactor(SetEmailFactor { session, enabled }))
        };
        bench.change(account, |row| row.email_confirmed_at = None);
        assert_eq!(
            set(&mut bench, session, true),
            Reply::Denied(Denial::AddressUnconfirmed {})
        );
        let now = bench.now;
        bench.change(account, |row| row.email_confirmed_at = Some(now));
        assert_eq!(set(&mut bench, session, true), Reply::Done {});
        assert_eq!(
            set(&mut bench, session, false),
            Reply::Denied(Denial::StepUpRequired {}),
            "disabling needs the second factor"
        );
        let challenge = bench.demanded(account, 1);
        let proven = granted(bench.answer_mail(challenge, 1)).session;
        assert_eq!(set(&mut bench, proven, false), Reply::Done {});
        assert_eq!(bench.account(account).email_factor_since, None);
    }
}
