//! The password was right: opens a challenge. It counts as a failure until the second factor succeeds, because the
//! answer tells that the password was right (conflict 13 of the security page).

use super::decision::{Decision, Moment};
use super::standing::Standing;
use super::{challenges, guess, second_factor};
use crate::challenge::Challenge;
use crate::command::StartLogin;
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::limits::{CHALLENGE_ANSWERS_MAX, CHALLENGE_SECONDS, PENDING_FACTOR_SECONDS};
use crate::policy::risk::Reasons;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &StartLogin, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    let Some(mut standing) = Standing::read(moment, command.account, tables)? else {
        return denied(Denial::AccountGone {});
    };
    let blocked_until = standing.password_blocked_until(now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if let Some(denial) = standing.account.refusal() {
        return denied(denial);
    }
    // An id that is in use is a fault of the proposer's randomness. It must not refill another challenge.
    if query::challenge(tables, command.challenge)?.is_some() {
        return denied(Denial::ChallengeGone {});
    }
    let factors = &standing.factors;
    let enrols = query::may_enrol_with_password(&standing.account, factors, &standing.policy, standing.elsewhere);
    if standing.elsewhere && standing.methods().is_empty() && !factors.iter().any(Factor::is_bound) {
        // Nothing to ask for, and not to be bound from here: a mail to the address, such as that of a reset, helps.
        standing.charge_password(now, tables)?;
        return denied(Denial::AddressUnconfirmed {});
    }
    // A seed that still waits for its first code stays: its picture may have been scanned already.
    if let (None, Some(new), true) = (query::answerable(factors, now), &command.enrol, enrols) {
        second_factor::replace_pending(now, command.account, factors, new.clone(), tables)?;
    }
    // Who must bind a factor first has to install an app and scan a picture.
    let seconds = if enrols {
        PENDING_FACTOR_SECONDS
    } else {
        CHALLENGE_SECONDS
    };
    let always = if factors.iter().any(Factor::is_bound) || enrols {
        Methods::TOTP
    } else {
        Methods::NONE
    };
    let challenge = Challenge {
        id: command.challenge,
        account: command.account,
        created_at: now,
        expires_at: now.plus_seconds(seconds),
        answers_left: CHALLENGE_ANSWERS_MAX,
        methods: standing.methods().and(always),
        reasons: Reasons::ALWAYS,
        mailed: None,
        mails: 0,
        device: standing.device().map(|device| device.id),
        step_up: None,
        enrols,
    };
    challenges::open(&challenge, tables)?;
    standing.charge_password(now, tables)?;
    let reply = Reply::ChallengeStarted {
        challenge: challenge.id,
        expires_at: challenge.expires_at,
        bound: !enrols,
    };
    Ok(Decision::new(reply).about(challenge.account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, AccountStatus};
    use crate::apply::testing::{Bench, id};
    use crate::command::{Command, NewTotp};
    use crate::ids::{AccountId, ChallengeId, FactorId};
    use crate::secret::Sealed;
    use crate::tables::Table;
    use crate::tables::schema::put;

    fn start(bench: &mut Bench, account: AccountId, base_seq: u64, challenge: u64) -> Reply {
        let challenge = ChallengeId(id(challenge));
        bench.run(Command::StartLogin(StartLogin {
            account,
            base_seq,
            challenge,
            enrol: None,
        }))
    }

    fn start_with_seed(bench: &mut Bench, account: AccountId, factor: u64) -> Reply {
        let base_seq = bench.account(account).auth_seq;
        let challenge = ChallengeId(id(1000 + factor));
        let enrol = Some(NewTotp {
            factor: FactorId(id(factor)),
            seed: Sealed(vec![7]),
            label: "app".into(),
        });
        bench.run(Command::StartLogin(StartLogin {
            account,
            base_seq,
            challenge,
            enrol,
        }))
    }

    fn factor_ids(bench: &Bench, account: AccountId) -> Vec<FactorId> {
        let factors = query::factors(&bench.tables, account).unwrap();
        factors.iter().map(|factor| factor.id).collect()
    }

    #[test]
    fn th_5_failures_of_strangers_do_not_keep_an_owner_from_enrolling() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        bench.fail_passwords(account, 4);
        let reply = start_with_seed(&mut bench, account, 501);
        let Reply::ChallengeStarted { challenge, .. } = reply else {
            panic!("{reply:?}")
        };
        assert!(bench.account(account).throttle.blocked_until(bench.now).is_some());
        let step = bench.step();
        let reply = bench.verify(challenge, FactorId(id(501)), Some(step));
        assert!(matches!(reply, Reply::SessionStarted(_)), "{reply:?}");
    }

    #[test]
    fn otp_8_a_seed_is_bound_only_where_no_other_waits_or_is_bound() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        start_with_seed(&mut bench, account, 501);
        start_with_seed(&mut bench, account, 502);
        assert_eq!(
            factor_ids(&bench, account),
            [FactorId(id(501))],
            "it may have been scanned"
        );
        bench.wait(PENDING_FACTOR_SECONDS);
        start_with_seed(&mut bench, account, 503);
        assert_eq!(factor_ids(&bench, account), [FactorId(id(503))]);
        let (bound, factor) = bench.bound_account("ben");
        start_with_seed(&mut bench, bound, 504);
        assert_eq!(factor_ids(&bench, bound), [factor]);
    }

    #[test]
    fn a_begun_login_counts_as_a_failure_until_it_is_finished() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        for seq in 1..=5 {
            let reply = start(&mut bench, account, seq, 100 + seq);
            assert!(
                matches!(reply, Reply::ChallengeStarted { bound: false, .. }),
                "{reply:?}"
            );
        }
        let until = bench.now.plus_seconds(30);
        assert_eq!(
            start(&mut bench, account, 6, 200),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
    }

    #[test]
    fn an_unbound_account_gets_time_to_bind_a_factor() {
        let mut bench = Bench::new();
        let (bound, _) = bench.bound_account("ana");
        let unbound = bench.register("ben", "ben@example.org");
        let end = |seconds| bench.now.plus_seconds(seconds);
        let ends = [end(CHALLENGE_SECONDS), end(PENDING_FACTOR_SECONDS)];
        for (account, expires_at) in [bound, unbound].into_iter().zip(ends) {
            let seq = bench.account(account).auth_seq;
            let reply = start(&mut bench, account, seq, seq);
            let challenge = ChallengeId(id(seq));
            assert_eq!(
                reply,
                Reply::ChallengeStarted {
                    challenge,
                    expires_at,
                    bound: account == bound
                }
            );
        }
    }

    #[test]
    fn a_disabled_account_is_told_to_who_has_the_password_but_not_over_the_budget() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let disabled = Account {
            status: AccountStatus::Disabled,
            ..bench.account(account)
        };
        put(&mut bench.tables, Table::Accounts, &account.0, &disabled).unwrap();
        assert_eq!(
            start(&mut bench, account, 1, 1),
            Reply::Denied(Denial::AccountDisabled {})
        );
        bench.block(account);
        let seq = bench.account(account).auth_seq;
        let reply = start(&mut bench, account, seq, 1);
        assert!(
            matches!(reply, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{reply:?}"
        );
        assert_eq!(
            start(&mut bench, AccountId(id(99)), 1, 1),
            Reply::Denied(Denial::AccountGone {})
        );
    }

    #[test]
    fn a_challenge_id_in_use_does_not_refill_its_answers() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        start(&mut bench, account, 1, 1);
        let before = query::challenge(&bench.tables, ChallengeId(id(1))).unwrap();
        assert_eq!(
            start(&mut bench, account, 2, 1),
            Reply::Denied(Denial::ChallengeGone {})
        );
        assert_eq!(query::challenge(&bench.tables, ChallengeId(id(1))).unwrap(), before);
    }
}
