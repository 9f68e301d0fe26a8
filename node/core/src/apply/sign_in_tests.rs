//! When a login is asked for a second factor, and what it is told.

use crate::account::Role;
use crate::apply::testing::{Bench, granted};
use crate::command::{Command, SetPolicy, StartLogin};
use crate::factor::Methods;
use crate::ids::{AccountId, ChallengeId};
use crate::limits::FREE_FAILURES_MAX;
use crate::policy::risk::Reasons;
use crate::policy::{Policy, RiskMode, RiskPolicy};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::session::Proved;
use crate::tables::Table;
use crate::tables::schema::put;

fn set_policy(bench: &mut Bench, change: impl FnOnce(&mut Policy)) {
    let mut policy = query::policy(&bench.tables).unwrap();
    change(&mut policy);
    put(&mut bench.tables, Table::Meta, query::POLICY_KEY, &policy).unwrap();
}

fn reasons(reply: &Reply) -> Vec<&'static str> {
    if let Reply::SecondFactorRequired { reasons, .. } | Reply::EnrolmentStarted { reasons, .. } = reply {
        return reasons.names().collect();
    }
    assert!(matches!(reply, Reply::SessionStarted(_)), "{reply:?}");
    Vec::new()
}

#[test]
fn a_usual_login_needs_no_second_factor_and_proves_the_password_only() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    bench.fail_passwords(account, 3);
    let grant = granted(bench.sign_in(account));
    assert_eq!(grant.proved, Proved(Methods::PASSWORD));
    assert!(!grant.proved.0.is_aal2());
    assert_eq!(bench.account(account).throttle.failures, 0);
    assert_eq!(bench.account(account).last_login_at, Some(bench.now));
}

#[test]
fn pw_1_a_short_password_alone_never_gives_a_session() {
    let mut bench = Bench::new();
    let account = bench.register("ana", "ana@example.org");
    let reply = bench.sign_in(account);
    assert!(matches!(reply, Reply::EnrolmentStarted { .. }), "{reply:?}");
    assert_eq!(reasons(&reply), ["short_password"]);
    assert!(query::sessions_of(&bench.tables, account).unwrap().is_empty());
}

#[test]
fn a_device_that_is_not_known_is_asked_for_a_second_factor_once_another_is() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    bench.remember_device(account);
    bench.device = None;
    assert_eq!(reasons(&bench.sign_in(account)), ["new_device"]);
}

#[test]
fn each_demand_names_its_reasons_and_lasts_until_it_is_met() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    granted(bench.sign_in(account));
    bench.address = "198.51.100.7".into();
    let reply = bench.sign_in(account);
    assert_eq!(reasons(&reply), ["new_address"]);
    let row = bench.audited();
    assert_eq!(row.reasons, Reasons::NEW_NETWORK);
    assert_eq!(row.facts.map(|facts| facts.known_network), Some(Some(false)));
    bench.address = "192.0.2.1".into();
    assert_eq!(
        reasons(&bench.sign_in(account)),
        ["unmet_demand"],
        "not re-rolled from elsewhere"
    );
    let challenge = bench.demanded(account, 1);
    granted(bench.answer_mail(challenge, 1));
    assert_eq!(reasons(&bench.sign_in(account)), Vec::<&str>::new());
    bench.wait(30 * 86_400 + 1);
    assert_eq!(reasons(&bench.sign_in(account)), ["dormant"]);
}

#[test]
fn a_share_of_logins_is_asked_and_a_shadow_policy_only_records_it() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    let low = |bench: &mut Bench| bench.sign_in_with(account, |command| command.share = Some(999));
    set_policy(&mut bench, |policy| policy.risk.mode = RiskMode::Shadow);
    assert_eq!(reasons(&low(&mut bench)), Vec::<&str>::new());
    assert_eq!(bench.audited().shadow_reasons, Reasons::RANDOM);
    set_policy(&mut bench, |policy| policy.risk.mode = RiskMode::Enforced);
    assert_eq!(reasons(&low(&mut bench)), ["random_check"]);
    let run = query::risk_dry_run(&bench.tables, &RiskPolicy::default(), None, 99).unwrap();
    assert_eq!((run.logins, run.demanded), (2, 2));
    assert_eq!(run.by_reason, [("random_check", 2)]);
    let never = RiskPolicy {
        share_permyriad: 0,
        ..RiskPolicy::default()
    };
    assert_eq!(
        query::risk_dry_run(&bench.tables, &never, None, 99).unwrap().demanded,
        0
    );
}

#[test]
fn otp_12_an_administrator_is_always_asked_and_not_by_mail() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    bench.change(account, |row| row.role = Role::Admin);
    let reply = bench.sign_in(account);
    assert_eq!(
        reply,
        Reply::Denied(Denial::FactorDisabled {}),
        "a mailed code does not do, and the password alone binds nothing"
    );
    set_policy(&mut bench, |policy| {
        policy.admin_mailed_codes = true;
        policy.risk.mode = RiskMode::Off;
    });
    let reply = bench.sign_in(account);
    assert_eq!(reasons(&reply), ["admin"]);
    let Reply::SecondFactorRequired { methods, .. } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(methods, Methods::EMAIL);
}

#[test]
fn a_bound_factor_is_always_asked_for_and_no_mail_instead_of_it() {
    let mut bench = Bench::new();
    let (account, factor) = bench.bound_account("ana");
    let now = bench.now;
    bench.change(account, |row| row.email_confirmed_at = Some(now));
    let reply = bench.sign_in(account);
    let Reply::SecondFactorRequired {
        methods,
        challenge,
        mail,
        ..
    } = reply
    else {
        panic!("{reply:?}")
    };
    assert_eq!((methods, mail), (Methods::TOTP, None));
    let step = bench.step();
    let grant = granted(bench.verify(challenge, factor, Some(step)));
    assert!(grant.proved.0.is_aal2());
}

#[test]
fn th_2_a_demand_counts_as_a_failure_until_it_is_met() {
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    for code in 0..=u64::from(FREE_FAILURES_MAX) {
        bench.demanded(account, code);
    }
    let until = bench.now.plus_seconds(30);
    assert_eq!(bench.sign_in(account), Reply::Denied(Denial::TooManyAttempts { until }));
}

#[test]
fn a_code_in_the_same_request_is_judged_at_once_and_uniformly_refused() {
    let mut bench = Bench::new();
    let (account, factor) = bench.bound_account("ana");
    let with = |bench: &mut Bench, matched_step| {
        bench.sign_in_with(account, |command| {
            command.answer = Some(crate::command::Answer {
                totp: Some(crate::command::CodeEvidence { factor, matched_step }),
                ..Default::default()
            });
        })
    };
    let step = bench.step();
    assert_eq!(with(&mut bench, None), Reply::Denied(Denial::InvalidCredentials {}));
    assert_eq!(bench.factor(account, factor).throttle.failures, 1);
    assert!(granted(with(&mut bench, Some(step))).proved.0.is_aal2());
    assert_eq!(
        with(&mut bench, Some(step)),
        Reply::Denied(Denial::InvalidCredentials {}),
        "otp_3: once"
    );
    let reply = bench.sign_in_with(account, |command| {
        command.answer = Some(crate::command::Answer {
            mailed: Some(crate::apply::testing::mac(1)),
            ..Default::default()
        });
    });
    assert_eq!(
        reply,
        Reply::Denied(Denial::InvalidCredentials {}),
        "nothing was mailed"
    );
}

#[test]
fn accounts_that_wait_or_are_disabled_are_told_so_after_the_right_password() {
    use crate::account::AccountStatus;
    let mut bench = Bench::new();
    let account = bench.mailed_account("ana");
    for (status, denial) in [
        (AccountStatus::PendingApproval, Denial::NotApproved {}),
        (AccountStatus::Unconfirmed, Denial::AddressUnconfirmed {}),
        (AccountStatus::Disabled, Denial::AccountDisabled {}),
    ] {
        bench.change(account, |row| row.status = status);
        assert_eq!(bench.sign_in(account), Reply::Denied(denial));
    }
    let gone = bench.register("gone", "gone@example.org");
    crate::tables::Tables::remove(&mut bench.tables, Table::Accounts, &gone.0).unwrap();
    let command = crate::command::SignIn {
        account: AccountId(gone.0),
        base_seq: 1,
        challenge: crate::ids::ChallengeId(bench.draw()),
        session: bench.new_session(),
        answer: None,
        always: false,
        share: None,
        code: None,
    };
    assert_eq!(
        bench.run(Command::SignIn(command)),
        Reply::Denied(Denial::InvalidCredentials {})
    );
}

#[test]
fn a_policy_is_replaced_only_as_it_was_read() {
    let mut bench = Bench::new();
    let (account, factor) = bench.bound_account("ana");
    bench.make_admin(account);
    let session = bench.session_of(account, factor).session;
    let set = |bench: &mut Bench, expected_version, policy: &Policy| {
        bench.run(Command::SetPolicy(SetPolicy {
            session,
            expected_version,
            policy: policy.clone(),
        }))
    };
    let closed = Policy {
        registration: crate::policy::RegistrationPolicy {
            closed: true,
            ..Default::default()
        },
        ..Policy::default()
    };
    assert_eq!(set(&mut bench, 0, &closed), Reply::PolicySet { version: 1 });
    assert_eq!(
        set(&mut bench, 0, &closed),
        Reply::Denied(Denial::VersionConflict { version: 1 })
    );
    let mut impossible = closed.clone();
    impossible.risk.share_permyriad = 10_001;
    assert_eq!(set(&mut bench, 1, &impossible), Reply::Denied(Denial::InvalidPolicy {}));
    let new = bench.new_account("ben", "ben@example.org");
    assert_eq!(
        bench.run(Command::RegisterAccount(new)),
        Reply::Denied(Denial::RegistrationClosed {})
    );
}

#[test]
fn otp_8_the_password_alone_binds_no_first_factor_where_its_owner_is_not_known() {
    let mut bench = Bench::new();
    let account = bench.register("ana", "ana@example.org");
    bench.change(account, |row| row.password_alone = true);
    let device = bench.remember_device(account);
    // A stranger who has the password, and no device of hers.
    bench.device = None;
    bench.address = "198.51.100.77".into();
    assert_eq!(bench.sign_in(account), Reply::Denied(Denial::AddressUnconfirmed {}));
    assert_eq!(
        bench.account(account).throttle.failures,
        1,
        "it told that the password was right"
    );
    assert_eq!(bench.try_enrol(account), Reply::Denied(Denial::AlreadyEnrolled {}));
    let base_seq = bench.account(account).auth_seq;
    let start = StartLogin {
        account,
        base_seq,
        challenge: ChallengeId(bench.draw()),
        enrol: None,
    };
    assert_eq!(
        bench.run(Command::StartLogin(start)),
        Reply::Denied(Denial::AddressUnconfirmed {})
    );
    // The owner binds one on the device that the account knows.
    bench.show_device(device);
    assert!(matches!(bench.try_enrol(account), Reply::TotpPending { .. }));
    // A proven address can be asked instead.
    bench.device = None;
    let now = bench.now;
    bench.change(account, |row| row.email_confirmed_at = Some(now));
    let Reply::SecondFactorRequired { methods, .. } = bench.sign_in(account) else {
        panic!("no demand");
    };
    assert_eq!(methods, Methods::EMAIL);
    assert_eq!(bench.try_enrol(account), Reply::Denied(Denial::AlreadyEnrolled {}));
}
