//! The password was right: a session, or a demand for a second factor. The demand is the strictest of what the account's
//! owner, the rules, the password's length and the surface ask for, and says why.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment, Trace};
use super::second_factor::CODE_USED_BEFORE;
use super::standing::Standing;
use super::{challenges, finish, guess, networks, sessions};
use crate::challenge::Challenge;
use crate::command::{Answer, SignIn};
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::limits::{CHALLENGE_ANSWERS_MAX, CHALLENGE_SECONDS, MAILED_CHALLENGE_SECONDS, PENDING_FACTOR_SECONDS};
use crate::policy::RiskMode;
use crate::policy::risk::{self, Facts, Reasons};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &SignIn, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    let Some(mut standing) = Standing::read(moment, command.account, tables)? else {
        return denied(Denial::InvalidCredentials {});
    };
    let kinds = command.answer.as_ref().map_or(Methods::NONE, answer::kinds);
    let password = standing.password_blocked_until(now);
    let blocked_until = password.max(standing.answer_blocked_until(kinds, now));
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if let Some(denial) = standing.account.refusal() {
        return denied(denial);
    }
    // Ids that are in use are a fault of the proposer's randomness.
    if query::challenge(tables, command.challenge)?.is_some() || sessions::is_taken(command.session.session, tables)? {
        return denied(Denial::ChallengeGone {});
    }
    let facts = networks::facts(moment, &standing, command.share, tables)?;
    let trace = demand(moment, &standing, facts, command.always);
    if let Some(answer) = &command.answer {
        return with_answer(moment, command, standing, answer, trace, tables);
    }
    if trace.reasons.is_empty() {
        standing.clear();
        return finish::login(moment, standing, &command.session, Methods::PASSWORD, trace, tables);
    }
    challenge(moment, command, standing, trace, tables)
}

/// Why this login is asked for a second factor, and why it would be.
fn demand(moment: Moment<'_>, standing: &Standing, facts: Facts, always: bool) -> Trace {
    let (account, policy) = (&standing.account, &standing.policy);
    let all = match policy.risk.mode {
        RiskMode::Enforced | RiskMode::Shadow => risk::evaluate(&policy.risk, &facts, moment.now),
        RiskMode::Off => Reasons::NONE.and_if(facts.role == crate::account::Role::Admin, Reasons::ADMIN),
    };
    let enforced = risk::enforced(&policy.risk, all);
    let own = standing.factors.iter().any(Factor::is_bound) || account.email_factor_since.is_some();
    let remembered = policy.remembered_device_suffices && standing.device().is_some_and(|device| device.remembered);
    let reasons = enforced
        .and_if(own && !remembered, Reasons::FACTOR_BOUND)
        .and_if(!account.password_alone && !(own && remembered), Reasons::SHORT_PASSWORD)
        .and_if(!account.unmet.is_empty(), Reasons::UNMET)
        .and_if(always, Reasons::ALWAYS);
    Trace {
        reasons,
        shadow_reasons: all.without(enforced),
        facts: Some(facts),
        device: standing.device().map(|device| device.id),
        ..Trace::default()
    }
}

fn with_answer(
    moment: Moment<'_>,
    command: &SignIn,
    mut standing: Standing,
    answer: &Answer,
    trace: Trace,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let invalid = Decision::denied(Denial::InvalidCredentials {})
        .about(command.account)
        .traced(trace);
    let offer = Offer {
        methods: standing.methods(),
        mailed: None,
        pending: false,
    };
    match answer::judge(&standing, offer, answer, moment.now) {
        Verdict::Right(proof) => {
            let proved = Methods::PASSWORD.and(proof.method());
            answer::accept(moment, &mut standing, proof, answer, tables)?;
            finish::login(moment, standing, &command.session, proved, trace, tables)
        }
        Verdict::UsedBefore => Ok(invalid.known_as(CODE_USED_BEFORE)),
        Verdict::Wrong(compared) => {
            answer::charge(moment, standing, compared, false, tables)?;
            Ok(invalid.known_as("invalid_code"))
        }
        // Charged to the account: otherwise a code of a kind that it does not have would test passwords for nothing.
        Verdict::NotOffered => {
            standing.charge_password(moment.now, tables)?;
            Ok(invalid.known_as("method_not_offered"))
        }
    }
}

/// Opens a challenge. It counts as a failure until it is answered, because the demand tells that the password was right.
fn challenge(
    moment: Moment<'_>,
    command: &SignIn,
    mut standing: Standing,
    trace: Trace,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let methods = standing.methods();
    let enrols = methods.is_empty();
    if enrols && standing.factors.iter().any(Factor::is_bound) {
        // Bound, and nothing of it works any more.
        standing.charge_password(moment.now, tables)?;
        return Ok(Decision::denied(Denial::FactorDisabled {})
            .about(command.account)
            .traced(trace));
    }
    let seconds = if enrols {
        PENDING_FACTOR_SECONDS
    } else if methods.has(Methods::EMAIL) {
        MAILED_CHALLENGE_SECONDS
    } else {
        CHALLENGE_SECONDS
    };
    let mut challenge = Challenge {
        id: command.challenge,
        account: command.account,
        created_at: moment.now,
        expires_at: moment.now.plus_seconds(seconds),
        answers_left: CHALLENGE_ANSWERS_MAX,
        methods: methods.and_if(enrols, Methods::TOTP),
        reasons: trace.reasons,
        mailed: None,
        mails: 0,
        device: trace.device,
        step_up: None,
        enrols,
    };
    let mut mail = None;
    if let Some(code) = command.code.as_ref().filter(|_| methods.has(Methods::EMAIL)) {
        // Too much mail: the challenge waits for another method, or for a code that is asked for later.
        mail = challenges::mail_code(moment, &mut challenge, &mut standing.account, code, tables)?.ok();
    }
    challenges::open(&challenge, tables)?;
    // Each of these is asked for again by itself, or is no reason that can go away.
    let lasting = Reasons::FACTOR_BOUND
        .and(Reasons::SHORT_PASSWORD)
        .and(Reasons::ALWAYS)
        .and(Reasons::ADMIN);
    standing.account.unmet = standing.account.unmet.and(trace.reasons.without(lasting));
    standing.charge_password(moment.now, tables)?;
    let (challenge, expires_at, reasons) = (challenge.id, challenge.expires_at, trace.reasons);
    let reply = if enrols {
        Reply::EnrolmentStarted {
            challenge,
            expires_at,
            reasons,
        }
    } else {
        Reply::SecondFactorRequired {
            challenge,
            expires_at,
            methods,
            reasons,
            mail,
        }
    };
    Ok(Decision::new(reply).about(command.account).traced(trace))
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted};
    use crate::command::{Command, SetPolicy};
    use crate::factor::Methods;
    use crate::ids::AccountId;
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
        match reply {
            Reply::SecondFactorRequired { reasons, .. } | Reply::EnrolmentStarted { reasons, .. } => {
                reasons.names().collect()
            }
            Reply::SessionStarted(_) => Vec::new(),
            other => panic!("{other:?}"),
        }
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
        bench.make_admin(account);
        let reply = bench.sign_in(account);
        assert_eq!(reasons(&reply), ["admin"]);
        assert!(
            matches!(reply, Reply::EnrolmentStarted { .. }),
            "a mailed code does not do: {reply:?}"
        );
        set_policy(&mut bench, |policy| {
            policy.admin_mailed_codes = true;
            policy.risk.mode = RiskMode::Off;
        });
        let reply = bench.sign_in(account);
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
}
