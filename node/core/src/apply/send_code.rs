//! Mails a code for a challenge, or another one. The guesses are not refilled (OTP-11), and the mail is counted (TH-9).

use super::challenges;
use super::decision::{Decision, Moment};
use crate::command::SendCode;
use crate::error::Fault;
use crate::factor::Methods;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &SendCode, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let Some((mut challenge, mut account)) = challenges::live(now, command.challenge, tables)? else {
        return Ok(Decision::denied(Denial::ChallengeGone {}));
    };
    let id = account.id;
    let denied = |denial| Ok(Decision::denied(denial).about(id));
    if let Some(denial) = account.refusal() {
        return denied(denial);
    }
    if !challenge.methods.has(Methods::EMAIL) {
        return denied(Denial::MethodNotOffered {});
    }
    if let Some(until) = account.mailed_throttle.blocked_until(now) {
        return denied(Denial::TooManyAttempts { until });
    }
    let mail = match challenges::mail_code(moment, &mut challenge, &mut account, &command.code, tables)? {
        Ok(mail) => mail,
        Err(until) => return denied(Denial::TooManyMails { until }),
    };
    let expires_at = challenge.mailed.map_or(now, |mailed| mailed.expires_at);
    challenges::store(&challenge, tables)?;
    put(tables, Table::Accounts, &account.id.0, &account)?;
    Ok(Decision::new(Reply::CodeSent { mail, expires_at }).about(account.id))
}
