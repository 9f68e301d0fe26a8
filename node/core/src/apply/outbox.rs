//! Puts mail where the leader finds it, and bounds what one account can cause (TH-9).

use super::decision::Moment;
use crate::account::{Account, MailWindow};
use crate::error::Fault;
use crate::ids::AccountId;
use crate::limits::{MAIL_WINDOW_SECONDS, MAILS_PER_WINDOW_MAX};
use crate::outbox::{Channel, MAILS_PER_ENTRY_MAX, Mail, MailTemplate, Notice};
use crate::tables::schema::{pair_key, put};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Where a mail goes.
pub(super) struct To<'a> {
    /// Its address.
    pub(super) address: &'a str,
    /// Its language.
    pub(super) language: Option<&'a str>,
    /// Whose it is.
    pub(super) account: AccountId,
    /// How it travels.
    pub(super) channel: Channel,
}

impl<'a> To<'a> {
    /// The owner of an account, by mail.
    pub(super) fn owner(account: &'a Account) -> Self {
        Self {
            address: &account.email,
            language: account.language.as_deref(),
            account: account.id,
            channel: Channel::Mail,
        }
    }
}

/// Has `template` sent. Returns the mail's key.
pub(super) fn send(
    moment: Moment<'_>,
    to: &To<'_>,
    template: MailTemplate,
    tables: &mut impl Tables,
) -> Result<u64, Fault> {
    let number = moment.mails.get();
    if number >= MAILS_PER_ENTRY_MAX {
        return Err(Fault::Invariant("an entry causes more mail than it has keys for"));
    }
    moment.mails.set(number.saturating_add(1));
    let mail = Mail {
        key: moment.index.saturating_mul(MAILS_PER_ENTRY_MAX).saturating_add(number),
        to: to.address.to_owned(),
        template,
        created_at: moment.now,
        channel: to.channel,
        language: to.language.map(str::to_owned),
        account: Some(to.account),
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    };
    keep(&mail, tables)?;
    Ok(mail.key)
}

/// Puts a mail into the outbox, in the order of what is due.
pub(super) fn keep(mail: &Mail, tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::OutboxByDue, &due_key(mail), &())?;
    put(tables, Table::Outbox, &mail.key.to_be_bytes(), mail)
}

/// Takes a mail out of the outbox as it lies there.
pub(super) fn take(mail: &Mail, tables: &mut impl Tables) -> Result<(), Fault> {
    tables.remove(Table::OutboxByDue, &due_key(mail))?;
    Ok(tables.remove(Table::Outbox, &mail.key.to_be_bytes())?)
}

/// Channel, time, key.
fn due_key(mail: &Mail) -> Vec<u8> {
    let in_queue = pair_key(&mail.due().0.to_be_bytes(), &mail.key.to_be_bytes());
    pair_key(&[mail.channel.queue()], &in_queue)
}

/// Tells an account's owner that something about it changed.
pub(super) fn notify(
    moment: Moment<'_>,
    account: &Account,
    what: Notice,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let template = MailTemplate::Notice {
        username: account.username.clone(),
        what,
        client_address: moment.client.address.clone(),
    };
    send(moment, &To::owner(account), template, tables).map(|_| ())
}

/// Counts one more mail that somebody caused by asking for it; when there were too many, until when there may be none.
pub(super) fn count(account: &mut Account, now: Timestamp) -> Result<(), Timestamp> {
    let window = account.mails;
    let end = window.since.plus_seconds(MAIL_WINDOW_SECONDS);
    if window.count == 0 || end <= now {
        account.mails = MailWindow { since: now, count: 1 };
        return Ok(());
    }
    if window.count >= MAILS_PER_WINDOW_MAX {
        return Err(end);
    }
    account.mails.count = window.count.saturating_add(1);
    Ok(())
}
