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
