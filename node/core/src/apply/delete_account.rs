//! Removes an account and everything that is its own. Audit rows stay; so do the rows of its sessions, ended, until their
//! tokens are over.

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{administer_account, devices, networks, outbox, second_factor};
use crate::account::{Account, Role};
use crate::command::DeleteAccount;
use crate::error::Fault;
use crate::outbox::Notice;
use crate::query;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &DeleteAccount, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let id = account.id;
    if let Some(denial) = administer_account::count_role(&account, Role::User, tables)? {
        return Ok(Decision::denied(denial).about(id).by(session.id));
    }
    outbox::notify(moment, &account, Notice::AccountDeleted {}, tables)?;
    remove(moment, &account, tables)?;
    Ok(Decision::done("account_deleted").about(id).by(session.id))
}

/// Removes it, and everything that is its own.
pub(super) fn remove(moment: Moment<'_>, account: &Account, tables: &mut impl Tables) -> Result<(), Fault> {
    sessions::end_all(moment.now, account.id, None, tables)?;
    for factor in query::factors(tables, account.id)? {
        second_factor::remove_factor(&factor, tables)?;
    }
    for device in query::devices(tables, account.id)? {
        devices::forget(&device, tables)?;
    }
    networks::forget_all(account.id, tables)?;
    for token in [account.address_token, account.reset_token].into_iter().flatten() {
        tables.remove(Table::MailTokens, &token.0)?;
    }
    tables.remove(Table::RecoveryCodes, &account.id.0)?;
    tables.remove(Table::Usernames, account.username_key.as_bytes())?;
    if !account.reserved {
        tables.remove(Table::Emails, account.email_key.as_bytes())?;
        tables.remove(Table::AccountsByNumber, &account.number.to_be_bytes())?;
    }
    Ok(tables.remove(Table::Accounts, &account.id.0)?)
}
