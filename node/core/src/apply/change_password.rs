//! A new password in place of the current one, which was right. Other sessions end (PW-9).

use super::account_rows;
use super::decision::{Decision, Moment};
use super::guess;
use super::sessions::{self, Acting};
use super::standing::Standing;
use crate::command::ChangePassword;
use crate::error::Fault;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &ChangePassword, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return Ok(Decision::denied(Denial::SessionRevoked {}).by(session.id));
    };
    let blocked_until = standing.password_blocked_until(moment.now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision.by(session.id));
    }
    standing.settle(moment, tables)?;
    let but = Some(session.id);
    account_rows::set_password(moment, &mut standing.account, &command.password, but, tables)?;
    guess::put_advanced(standing.account, tables)?;
    Ok(Decision::done("password_changed").about(account.id).by(session.id))
}
