//! Questions about mail: what waits, what is in quarantine, what became of one.

use crate::error::Fault;
use crate::outbox::{Mail, MailState};
use crate::tables::schema::{decode_row, get};
use crate::tables::{Table, TablesRead};
use crate::time::Timestamp;

/// Mail that was not sent yet, the oldest first; also what waits for its next try.
///
/// # Errors
/// When storage fails or a row does not decode.
pub fn outbox(tables: &impl TablesRead, limit: usize) -> Result<Vec<Mail>, Fault> {
    let rows = tables.range(Table::Outbox, &[], &[0xff; 9], limit)?;
    rows.iter().map(|(_, row)| decode_row(Table::Outbox, row)).collect()
}

/// Mail that is to be tried at `now`, the longest due first. What waits for a later try is not looked at, however much it is.
///
/// # Errors
/// See [`outbox`].
pub fn due_mail(tables: &impl TablesRead, now: Timestamp, limit: usize) -> Result<Vec<Mail>, Fault> {
    let end = now.0.saturating_add(1).to_be_bytes();
    let mut due = Vec::new();
    for (row_key, _) in tables.range(Table::OutboxByDue, &[], &end, limit)? {
        let key = row_key.get(8..).unwrap_or_default();
        due.extend(get::<Mail>(tables, Table::Outbox, key)?);
    }
    Ok(due)
}

/// Mail in quarantine, the oldest first.
///
/// # Errors
/// See [`outbox`].
pub fn quarantine(tables: &impl TablesRead, limit: usize) -> Result<Vec<Mail>, Fault> {
    let rows = tables.range(Table::Quarantine, &[], &[0xff; 9], limit)?;
    rows.iter().map(|(_, row)| decode_row(Table::Quarantine, row)).collect()
}

/// What became of the mail with this key.
///
/// # Errors
/// See [`outbox`].
pub fn mail_state(tables: &impl TablesRead, key: u64) -> Result<MailState, Fault> {
    let key = key.to_be_bytes();
    if let Some(mail) = get::<Mail>(tables, Table::Outbox, &key)? {
        return Ok(MailState::Waiting {
            attempts: mail.attempts,
        });
    }
    if tables.get(Table::Quarantine, &key)?.is_some() {
        return Ok(MailState::Quarantined);
    }
    let sent = tables.get(Table::SentMail, &key)?.is_some();
    Ok(if sent { MailState::Sent } else { MailState::Unknown })
}
