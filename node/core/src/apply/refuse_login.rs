//! Charges a wrong password. A name that nobody has costs the same and is answered the same (EN-2).

use super::decision::{Decision, Moment};
use super::standing::Standing;
use super::{guess, unknown_names};
use crate::command::{RefuseLogin, Subject};
use crate::error::Fault;
use crate::factor::Methods;
use crate::ids::{AccountId, NameMac};
use crate::limits::UNKNOWN_NAMES_MAX;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &RefuseLogin, tables: &mut impl Tables) -> Result<Decision, Fault> {
    match command.subject {
        Subject::Account { account, base_seq } => charge_account(moment, account, base_seq, tables),
        Subject::UnknownName { name } => charge_unknown_name(moment, name, tables),
    }
}

fn charge_account(
    moment: Moment<'_>,
    id: AccountId,
    base_seq: u64,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let denied = Decision::denied(Denial::InvalidCredentials {}).about(id);
    let Some(mut standing) = Standing::read(moment, id, tables)? else {
        return Ok(denied);
    };
    let password = standing.password_blocked_until(moment.now);
    let blocked_until = password.max(standing.answer_blocked_until(Methods::TOTP, moment.now));
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, base_seq) {
        return Ok(decision);
    }
    // The status is not looked at: whether an account is disabled is told to who knows its password.
    standing.settle(moment, tables)?;
    standing.charge_password(moment.now, tables)?;
    Ok(denied)
}

fn charge_unknown_name(moment: Moment<'_>, name: NameMac, tables: &mut impl Tables) -> Result<Decision, Fault> {
    // No `auth_seq`: there is no evidence that could be stale, and the budget is checked where it is charged.
    if let Some(until) = unknown_names::throttle(moment.now, name, tables)?.blocked_until(moment.now) {
        return Ok(Decision::denied(Denial::TooManyAttempts { until }));
    }
    unknown_names::charge(moment.now, name, UNKNOWN_NAMES_MAX, tables)?;
    Ok(Decision::denied(Denial::InvalidCredentials {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, AccountStatus};
    use crate::apply::testing::{Bench, id};
    use crate::command::Command;
    use crate::limits::{FREE_FAILURES_MAX, PASSWORD_FAILURES_SECONDS};
    use crate::reply::Reply;
    use crate::tables::{Table, schema::put};

    const INVALID: Reply = Reply::Denied(Denial::InvalidCredentials {});

    fn guess_at(bench: &mut Bench, account: AccountId, base_seq: u64) -> Reply {
        let subject = Subject::Account { account, base_seq };
        bench.run(Command::RefuseLogin(RefuseLogin { subject }))
    }

    fn guess_unknown(bench: &mut Bench, name: NameMac) -> Reply {
        bench.run(Command::RefuseLogin(RefuseLogin {
            subject: Subject::UnknownName { name },
        }))
    }

    #[test]
    fn en_2_a_name_without_account_is_answered_like_one_with_an_account() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        // Short of two hours, at two hours, and long after: what is forgotten of one name is forgotten of the other.
        let pauses = [
            0, 1, 2, 3, 4, 5, 29, 60, 0, 45, 120, 7, 300, 7_199, 0, 7_200, 0, 0, 0, 0, 0, 30, 0, 7_201, 1, 90_000, 0,
        ];
        for seconds in pauses {
            bench.wait(seconds);
            let seq = bench.account(account).auth_seq;
            let known = guess_at(&mut bench, account, seq);
            assert_eq!(known, guess_unknown(&mut bench, NameMac(id(7))), "after {seconds} s");
        }
    }

    #[test]
    fn th_1_two_hours_forget_wrong_passwords_and_no_wrong_codes() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        for _ in 0..6 {
            bench.wait(3_600);
            assert_eq!(bench.log_in(account, Some((factor, None))), INVALID);
        }
        assert_eq!(bench.account(account).throttle.failures, 6);
        bench.wait(PASSWORD_FAILURES_SECONDS - 1);
        bench.fail_passwords(account, 1);
        assert_eq!(bench.account(account).throttle.failures, 7, "a second too early");
        bench.wait(PASSWORD_FAILURES_SECONDS);
        bench.fail_passwords(account, 1);
        assert_eq!(bench.account(account).throttle.failures, 1);
        assert_eq!(bench.factor(account, factor).throttle.failures, 6);
        // A wrong code: the account waits as long as the app does, or a wrong password would be told from a right one.
        assert_eq!(bench.log_in(account, Some((factor, None))), INVALID);
        assert_eq!(bench.factor(account, factor).throttle.failures, 7);
        assert_eq!(bench.account(account).throttle.failures, 7);
    }

    #[test]
    fn th_2_the_fifth_failure_blocks_for_thirty_seconds() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        for seq in 1..=u64::from(FREE_FAILURES_MAX) + 1 {
            assert_eq!(guess_at(&mut bench, account, seq), INVALID);
        }
        let until = bench.now.plus_seconds(30);
        let before = bench.account(account);
        bench.wait(29);
        assert_eq!(
            guess_at(&mut bench, account, 6),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
        assert_eq!(
            bench.account(account),
            before,
            "a guess that is not looked at is not charged"
        );
        bench.wait(1);
        assert_eq!(guess_at(&mut bench, account, 6), INVALID);
    }

    #[test]
    fn th_4_a_stale_guess_is_sent_round_again_and_one_over_the_budget_is_not() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        assert_eq!(guess_at(&mut bench, account, 1), INVALID);
        assert_eq!(guess_at(&mut bench, account, 1), Reply::Stale { auth_seq: 2 });
        for seq in 2..=5 {
            assert_eq!(guess_at(&mut bench, account, seq), INVALID);
        }
        let until = bench.now.plus_seconds(30);
        assert_eq!(
            guess_at(&mut bench, account, 1),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
    }

    #[test]
    fn a_disabled_or_missing_account_is_answered_like_any_other() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let disabled = Account {
            status: AccountStatus::Disabled,
            ..bench.account(account)
        };
        put(&mut bench.tables, Table::Accounts, &account.0, &disabled).unwrap();
        assert_eq!(guess_at(&mut bench, account, 1), INVALID);
        assert_eq!(bench.account(account).throttle.failures, 1);
        assert_eq!(guess_at(&mut bench, AccountId(id(99)), 1), INVALID);
    }
}
