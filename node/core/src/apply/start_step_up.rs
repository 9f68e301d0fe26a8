//! Opens a challenge with which a session steps up: for codes that must be mailed first.

use super::challenges;
use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::standing::Standing;
use crate::challenge::Challenge;
use crate::command::StartStepUp;
use crate::error::Fault;
use crate::factor::Methods;
use crate::limits::{CHALLENGE_ANSWERS_MAX, MAILED_CHALLENGE_SECONDS};
use crate::policy::risk::Reasons;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &StartStepUp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account.id).by(session.id));
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return denied(Denial::SessionRevoked {});
    };
    if query::challenge(tables, command.challenge)?.is_some() {
        return denied(Denial::ChallengeGone {});
    }
    let methods = standing.methods();
    if methods.is_empty() {
        return denied(Denial::MethodNotOffered {});
    }
    let mut challenge = Challenge {
        id: command.challenge,
        account: account.id,
        created_at: moment.now,
        expires_at: moment.now.plus_seconds(MAILED_CHALLENGE_SECONDS),
        answers_left: CHALLENGE_ANSWERS_MAX,
        methods,
        reasons: Reasons::NONE,
        mailed: None,
        mails: 0,
        device: None,
        step_up: Some(session.id),
        enrols: false,
    };
    let mut mail = None;
    if let Some(code) = command.code.as_ref().filter(|_| methods.has(Methods::EMAIL)) {
        match challenges::mail_code(moment, &mut challenge, &mut standing.account, code, tables)? {
            Ok(key) => mail = Some(key),
            Err(until) => return denied(Denial::TooManyMails { until }),
        }
        put(tables, Table::Accounts, &account.id.0, &standing.account)?;
    }
    challenges::open(&challenge, tables)?;
    let reply = Reply::SecondFactorRequired {
        challenge: challenge.id,
        expires_at: challenge.expires_at,
        methods,
        reasons: challenge.reasons,
        mail,
    };
    Ok(Decision::new(reply).about(account.id).by(session.id))
}
