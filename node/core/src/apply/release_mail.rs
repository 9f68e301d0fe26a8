//! Takes a mail out of quarantine: to be tried again from the beginning, or for good.

use super::decision::Decision;
use super::outbox;
use crate::command::ReleaseMail;
use crate::error::Fault;
use crate::outbox::Mail;
use crate::reply::{Denial, Reply};
use crate::tables::schema::get;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

pub(super) fn apply(command: &ReleaseMail, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let key = command.key.to_be_bytes();
    let Some(mail) = get::<Mail>(tables, Table::Quarantine, &key)? else {
        return Ok(Decision::denied(Denial::NotFound {}));
    };
    tables.remove(Table::Quarantine, &key)?;
    let done = Decision::new(Reply::Done {});
    if !command.retry {
        return Ok(done.known_as("mail_dropped"));
    }
    let fresh = Mail {
        attempts: 0,
        next_attempt_at: None,
        ..mail
    };
    outbox::keep(&fresh, tables)?;
    Ok(done.known_as("mail_released"))
}

/// Forgets a mail in quarantine that nobody released. One that was released and came back stays for its new time.
pub(super) fn forget_if_due(now: Timestamp, key: [u8; 8], tables: &mut impl Tables) -> Result<(), Fault> {
    let mail = get::<Mail>(tables, Table::Quarantine, &key)?;
    if mail.is_some_and(|mail| mail.next_attempt_at.is_none_or(|end| end <= now)) {
        tables.remove(Table::Quarantine, &key)?;
    }
    Ok(())
}
