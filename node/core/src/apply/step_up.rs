//! Proves the owner of a session anew (SE-5). An account with a factor of its own must show it: the password alone would
//! let a thief of the session and the password do everything.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment};
use super::guess;
use super::second_factor::CODE_USED_BEFORE;
use super::sessions::{self, Acting};
use super::standing::Standing;
use crate::command::StepUp;
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::session::{Proved, Session};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

pub(super) fn apply(moment: Moment<'_>, command: &StepUp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account.id).by(command.session));
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return denied(Denial::SessionRevoked {});
    };
    let methods = standing.methods().common(Methods::TOTP.and(Methods::RECOVERY));
    let kinds = command
        .answer
        .as_ref()
        .map_or(Methods::NONE, answer::kinds)
        .common(methods);
    let password = standing.password_blocked_until(now).filter(|_| command.password);
    let blocked_until = password.max(standing.answer_blocked_until(kinds, now));
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision.by(command.session));
    }
    standing.settle(moment, tables)?;
    // A device token that was copied has ended the sessions of its device: this one may be among them.
    let Some(session) = query::session(tables, session.id)?.filter(|session| session.is_live(now)) else {
        return denied(Denial::SessionRevoked {});
    };
    let own = standing.factors.iter().any(Factor::is_bound) || account.email_factor_since.is_some();
    let Some(answer) = &command.answer else {
        if own {
            return denied(Denial::SecondFactorRequired {
                methods: standing.methods(),
            });
        }
        if !command.password {
            return denied(Denial::InvalidCommand {});
        }
        standing.clear();
        guess::put_advanced(standing.account, tables)?;
        return renew(now, session, Methods::PASSWORD, tables);
    };
    let offer = Offer {
        methods,
        mailed: None,
        pending: false,
    };
    match answer::judge(&standing, offer, answer, now) {
        Verdict::Right(proof) => {
            let method = proof.method();
            answer::accept(moment, &mut standing, proof, answer, tables)?;
            guess::put_advanced(standing.account, tables)?;
            renew(now, session, method, tables)
        }
        Verdict::UsedBefore => denied(Denial::InvalidCode {}).map(|denied| denied.known_as(CODE_USED_BEFORE)),
        Verdict::Wrong(compared) => {
            answer::charge(moment, standing, compared, false, tables)?;
            denied(Denial::InvalidCode {})
        }
        Verdict::NotOffered => denied(Denial::MethodNotOffered {}),
    }
}

/// A new generation with a new `auth_time`, and with what was proven now beside what was proven before (SE-1).
pub(super) fn renew(
    now: Timestamp,
    session: Session,
    method: Methods,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let Some(generation) = session.generation.checked_add(1) else {
        let account = session.account;
        sessions::end(now, session, tables)?;
        return Ok(Decision::denied(Denial::SessionRevoked {}).about(account));
    };
    let renewed = Session {
        generation,
        rotated_at: now,
        auth_time: now,
        created_at: Some(session.started_at()),
        proved: Proved(session.proved.0.and(method)),
        ..session
    };
    put(tables, Table::Sessions, &renewed.id.0, &renewed)?;
    let mut decision = Decision::new(Reply::SessionRefreshed(renewed.grant()))
        .about(renewed.account)
        .by(renewed.id);
    decision.trace.methods = method;
    Ok(decision)
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted, mac};
    use crate::command::*;
    use crate::factor::Methods;
    use crate::ids::{ChallengeId, SessionId};
    use crate::limits::{DEVICE_GRACE_SECONDS, STEP_UP_SECONDS};
    use crate::outbox::Notice;
    use crate::reply::{Denial, Reply};

    fn step_up(bench: &mut Bench, session: SessionId, password: bool, answer: Option<Answer>) -> Reply {
        let account = crate::query::session(&bench.tables, session).unwrap().unwrap().account;
        let base_seq = bench.account(account).auth_seq;
        bench.run(Command::StepUp(StepUp {
            session,
            base_seq,
            password,
            answer,
        }))
    }

    #[test]
    fn se_1_se_5_a_step_up_gives_new_tokens_with_a_new_time_of_proof() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let first = bench.session_of(account, factor);
        bench.wait(STEP_UP_SECONDS + 1);
        assert_eq!(
            bench.issue_codes(first.session, 1),
            Reply::Denied(Denial::StepUpRequired {})
        );
        let step = bench.step();
        let answer = Answer {
            totp: Some(CodeEvidence {
                factor,
                matched_step: Some(step),
            }),
            ..Answer::default()
        };
        let grant = granted(step_up(&mut bench, first.session, false, Some(answer)));
        assert_eq!((grant.generation, grant.auth_time), (first.generation + 1, bench.now));
        assert!(matches!(
            bench.issue_codes(first.session, 1),
            Reply::RecoveryCodesIssued { .. }
        ));
        assert_eq!(
            step_up(&mut bench, first.session, false, Some(answer)),
            Reply::Denied(Denial::InvalidCode {}),
            "a code steps up once"
        );
    }

    #[test]
    fn se_5_the_password_alone_does_not_step_up_an_account_with_a_factor() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        assert_eq!(
            step_up(&mut bench, session, true, None),
            Reply::Denied(Denial::SecondFactorRequired { methods: Methods::TOTP })
        );
        let plain = bench.mailed_account("ben");
        let grant = bench.plain_session(plain);
        bench.wait(5);
        let renewed = granted(step_up(&mut bench, grant.session, true, None));
        assert_eq!(renewed.auth_time, bench.now);
        assert_eq!(
            step_up(&mut bench, grant.session, false, None),
            Reply::Denied(Denial::InvalidCommand {}),
            "something must be shown"
        );
    }

    #[test]
    fn a_step_up_does_not_revive_the_session_that_its_copied_device_token_ends() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let first = bench.device_of(account, factor, challenge);
        let session = crate::query::sessions_of(&bench.tables, account).unwrap();
        let session = session.iter().find(|row| row.device == Some(first.device)).unwrap().id;
        bench.show_device(first);
        let step = bench.step();
        let newer = granted(bench.log_in(account, Some((factor, Some(step)))));
        assert_eq!(newer.device.map(|grant| grant.generation), Some(2));
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.notices();
        bench.show_device(first);
        let answer = Answer {
            totp: Some(CodeEvidence {
                factor,
                matched_step: Some(bench.step()),
            }),
            ..Answer::default()
        };
        let reply = step_up(&mut bench, session, false, Some(answer));
        assert_eq!(reply, Reply::Denied(Denial::SessionRevoked {}));
        assert_eq!(bench.notices(), [Notice::DeviceTokenCopied {}]);
        let row = crate::query::session(&bench.tables, session).unwrap().unwrap();
        assert_eq!(row.revoked_at, Some(bench.now));
        bench.device = None;
        assert_eq!(
            bench.refresh(session, row.generation),
            Reply::Denied(Denial::SessionRevoked {}),
            "ended for good"
        );
    }

    #[test]
    fn th_8_wrong_codes_of_a_step_up_are_charged() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let session = bench.session_of(account, factor).session;
        let wrong = Answer {
            totp: Some(CodeEvidence {
                factor,
                matched_step: None,
            }),
            ..Answer::default()
        };
        for _ in 0..5 {
            assert_eq!(
                step_up(&mut bench, session, false, Some(wrong)),
                Reply::Denied(Denial::InvalidCode {})
            );
        }
        let until = bench.now.plus_seconds(30);
        assert_eq!(
            step_up(&mut bench, session, false, Some(wrong)),
            Reply::Denied(Denial::TooManyAttempts { until })
        );
    }

    #[test]
    fn a_mailed_code_steps_a_session_up_once() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        let challenge = ChallengeId(bench.draw());
        let start = StartStepUp {
            session,
            challenge,
            code: Some(NewCode {
                mac: mac(1),
                sealed: crate::secret::Sealed(vec![]),
                channel: Default::default(),
            }),
        };
        let reply = bench.run(Command::StartStepUp(start));
        assert!(
            matches!(reply, Reply::SecondFactorRequired { mail: Some(_), .. }),
            "{reply:?}"
        );
        bench.wait(5);
        let grant = granted(bench.answer_mail(challenge, 1));
        assert_eq!(
            (grant.session, grant.auth_time, grant.generation),
            (session, bench.now, 2)
        );
        assert!(grant.proved.0.has(Methods::EMAIL));
        assert_eq!(bench.answer_mail(challenge, 1), Reply::Denied(Denial::ChallengeGone {}));
    }

    #[test]
    fn se_2_an_ended_session_steps_nothing_up() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        bench.run(Command::EndSession(EndSession { session }));
        assert_eq!(
            step_up(&mut bench, session, true, None),
            Reply::Denied(Denial::SessionRevoked {})
        );
    }
}
