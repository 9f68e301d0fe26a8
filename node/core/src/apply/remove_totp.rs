//! Removes an authenticator app. The session proved itself lately, with a factor; the owner is told (US-1).

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{guess, outbox, second_factor};
use crate::account::Account;
use crate::command::RemoveTotp;
use crate::error::Fault;
use crate::outbox::Notice;
use crate::query;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &RemoveTotp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let id = account.id;
    let factors = query::factors(tables, id)?;
    let Some(factor) = factors.iter().find(|factor| factor.id == command.factor) else {
        return Ok(Decision::denied(Denial::NotFound {}).about(id).by(session.id));
    };
    second_factor::remove_factor(factor, tables)?;
    if factor.is_bound() {
        outbox::notify(moment, &account, Notice::AuthenticatorRemoved {}, tables)?;
    }
    let account = Account {
        updated_at: Some(moment.now),
        ..account
    };
    guess::put_advanced(account, tables)?;
    Ok(Decision::done("factor_removed").about(id).by(session.id))
}
