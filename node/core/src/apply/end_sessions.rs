//! Ends sessions of one's own account (SE-4). No step-up is needed to lock somebody out who came in.

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use crate::command::{EndSessions, SessionScope};
use crate::error::Fault;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &EndSessions, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let count = match command.scope {
        SessionScope::One(id) => {
            let Some(other) = query::session(tables, id)?.filter(|other| other.account == account.id) else {
                return Ok(Decision::denied(Denial::NotFound {}).about(account.id).by(session.id));
            };
            u32::from(sessions::end(moment.now, other, tables)?)
        }
        SessionScope::Others {} => sessions::end_all(moment.now, account.id, Some(session.id), tables)?,
        SessionScope::All {} => sessions::end_all(moment.now, account.id, None, tables)?,
    };
    Ok(Decision::new(Reply::SessionsEnded { count })
        .about(account.id)
        .by(session.id))
}
