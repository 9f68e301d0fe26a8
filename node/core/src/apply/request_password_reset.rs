//! Mails a token to reset a password. The answer is the same whoever asks for whom (EN-1); mail is bounded (TH-9).

use super::account_rows;
use super::decision::{Decision, Moment};
use super::outbox;
use crate::account::AccountStatus;
use crate::command::{RequestPasswordReset, ResetSubject};
use crate::error::Fault;
use crate::query;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(
    moment: Moment<'_>,
    command: &RequestPasswordReset,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let requested = Decision::done("password_reset_requested");
    let id = match command.subject {
        ResetSubject::Account(id) => id,
        ResetSubject::UnknownAddress(_) => return Ok(requested.known_as("password_reset_for_nobody")),
    };
    let Some(mut account) = query::account(tables, id)? else {
        return Ok(requested.known_as("password_reset_for_nobody"));
    };
    if account.status == AccountStatus::Disabled
        || query::mail_token(tables, &command.token.hash, moment.now)?.is_some()
    {
        return Ok(requested.known_as("password_reset_not_sent").about(id));
    }
    if outbox::count(&mut account, moment.now).is_err() {
        return Ok(requested.known_as("too_many_mails").about(id));
    }
    account_rows::mail_reset(moment, &mut account, &command.token, tables)?;
    put(tables, Table::Accounts, &id.0, &account)?;
    Ok(requested.about(id))
}
