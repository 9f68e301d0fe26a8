//! Mails a token to an address that shall be the account's. Whether the address has another account is not told to the
//! caller, but to its owner (EN-1).

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{account_rows, outbox};
use crate::command::RequestEmailChange;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::limits::EMAIL_BYTES_MAX;
use crate::query;
use crate::reply::Denial;
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};

pub(super) fn apply(
    moment: Moment<'_>,
    command: &RequestEmailChange,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let Acting { session, mut account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let id = account.id;
    let denied = |denial| Ok(Decision::denied(denial).about(id).by(session.id));
    let taken = query::mail_token(tables, &command.token.hash, moment.now)?.is_some();
    if taken || command.email.len() > EMAIL_BYTES_MAX || command.email_key.len() > EMAIL_BYTES_MAX {
        return denied(Denial::InvalidCommand {});
    }
    // Counted whether the address is free or not, so that the bound tells nothing either.
    if let Err(until) = outbox::count(&mut account, moment.now) {
        return denied(Denial::TooManyMails { until });
    }
    let owner = get::<AccountId>(tables, Table::Emails, command.email_key.as_bytes())?;
    let decision = match owner.filter(|owner| *owner != id) {
        Some(owner) => {
            account_rows::tell_owner_of_address(moment, owner, tables)?;
            Decision::done("address_taken")
        }
        None => {
            let address = (command.email.as_str(), command.email_key.as_str());
            let asked_by = Some(session.id);
            account_rows::mail_confirmation(moment, &mut account, address, asked_by, &command.token, tables)?;
            Decision::done("email_change_requested")
        }
    };
    put(tables, Table::Accounts, &id.0, &account)?;
    Ok(decision.about(id).by(session.id))
}
