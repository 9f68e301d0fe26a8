//! Proves an address with the token that was mailed to it. Once; the old address is told when it is another one (RC-4).

use super::decision::{Decision, Moment};
use super::{account_rows, guess, outbox};
use crate::command::ConfirmEmail;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::outbox::MailTemplate;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};
use crate::token::TokenPurpose;

pub(super) fn apply(moment: Moment<'_>, command: &ConfirmEmail, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let gone = Decision::denied(Denial::TokenGone {});
    let Some(token) = query::mail_token(tables, &command.token, moment.now)? else {
        return Ok(gone);
    };
    let TokenPurpose::ConfirmEmail { email, email_key } = token.purpose else {
        return Ok(gone);
    };
    let Some(mut account) = query::account(tables, token.account)? else {
        return Ok(gone);
    };
    let id = account.id;
    tables.remove(Table::MailTokens, &command.token.0)?;
    account.address_token = None;
    let owner = get::<AccountId>(tables, Table::Emails, email_key.as_bytes())?;
    if owner.is_some_and(|owner| owner != id) {
        put(tables, Table::Accounts, &id.0, &account)?;
        return Ok(gone.about(id).known_as("address_taken"));
    }
    if account.email_key != email_key {
        let template = MailTemplate::AddressChanged {
            username: account.username.clone(),
        };
        outbox::send(moment, &outbox::To::owner(&account), template, tables)?;
        tables.remove(Table::Emails, account.email_key.as_bytes())?;
        put(tables, Table::Emails, email_key.as_bytes(), &id)?;
        account.updated_at = Some(moment.now);
    }
    account.email = email;
    account.email_key = email_key;
    account_rows::confirm_address(moment.now, &mut account, &query::policy(tables)?);
    guess::put_advanced(account, tables)?;
    Ok(Decision::new(Reply::EmailConfirmed { account: id }).about(id))
}
