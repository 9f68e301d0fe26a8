//! Binds a seed that its owner has yet to prove. The password alone does so only while the account is not bound (OTP-8).

use super::decision::{Decision, Moment};
use super::{guess, second_factor};
use crate::command::{EnrolTotp, NewTotp};
use crate::error::Fault;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &EnrolTotp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    let Some(account) = query::account(tables, command.account)? else {
        return denied(Denial::AccountGone {});
    };
    let device = query::known_device(tables, account.id, moment.client.device, now)?;
    let blocked_until = query::password_blocked_until(&account, device.as_ref(), now);
    if let Some(decision) = guess::refused_unseen(&account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    if let Some(denial) = account.refusal() {
        return denied(denial);
    }
    let factors = query::factors(tables, account.id)?;
    let elsewhere = query::is_elsewhere(tables, account.id, device.as_ref())?;
    if !query::may_enrol_with_password(&account, &factors, &query::policy(tables)?, elsewhere) {
        return denied(Denial::AlreadyEnrolled {});
    }
    let new = NewTotp {
        factor: command.factor,
        seed: command.seed.clone(),
        label: command.label.clone(),
    };
    let expires_at = second_factor::replace_pending(now, account.id, &factors, new, tables)?;
    let account_id = account.id;
    // The account's failures stay: a new seed buys no new guesses at the password.
    guess::put_advanced(account, tables)?;
    Ok(Decision::new(Reply::TotpPending {
        factor: command.factor,
        expires_at,
    })
    .about(account_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::{Bench, id};
    use crate::command::Command;
    use crate::ids::{AccountId, FactorId};
    use crate::secret::Sealed;

    #[test]
    fn otp_8_a_new_seed_replaces_the_pending_one_and_is_refused_once_one_is_bound() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let first = bench.enrol(account);
        let second = bench.enrol(account);
        let ids: Vec<_> = query::factors(&bench.tables, account)
            .unwrap()
            .iter()
            .map(|factor| factor.id)
            .collect();
        assert_eq!(ids, [second]);
        assert_ne!(first, second);
        let step = bench.step();
        assert!(matches!(
            bench.log_in(account, Some((second, Some(step)))),
            Reply::SessionStarted(_)
        ));
        let before = query::factors(&bench.tables, account).unwrap();
        assert_eq!(bench.try_enrol(account), Reply::Denied(Denial::AlreadyEnrolled {}));
        assert_eq!(query::factors(&bench.tables, account).unwrap(), before);
    }

    #[test]
    fn enrolling_does_not_refill_the_accounts_budget_and_is_refused_over_it() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        bench.fail_passwords(account, 4);
        bench.enrol(account);
        assert_eq!(bench.account(account).throttle.failures, 4);
        bench.fail_passwords(account, 1);
        let until = bench.now.plus_seconds(30);
        assert_eq!(
            bench.try_enrol(account),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
    }

    #[test]
    fn an_enrolment_of_a_missing_account_is_refused() {
        let mut bench = Bench::new();
        let command = EnrolTotp {
            account: AccountId(id(99)),
            base_seq: 1,
            factor: FactorId(id(1)),
            seed: Sealed(vec![1]),
            label: String::new(),
        };
        assert_eq!(
            bench.run(Command::EnrolTotp(command)),
            Reply::Denied(Denial::AccountGone {})
        );
    }
}
