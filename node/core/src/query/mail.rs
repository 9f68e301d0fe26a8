//! Questions about mail: what waits, what is in quarantine, what became of one.

use crate::error::Fault;
use crate::outbox::{Channel, Mail, MailState};
use crate::tables::schema::{decode_row, get, pair_key};
use crate::tables::{Table, TablesRead};
use crate::time::Timestamp;

/// Where the key of a mail begins in a row of what is due: behind the channel and the time.
const DUE_KEY_AT: usize = 9;

/// Where mail lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// In the outbox.
    Waiting,
    /// In quarantine.
    Quarantined,
}

/// Mail that was not sent yet, the oldest first; also what waits for its next try.
///
/// # Errors
/// When storage fails or a row does not decode.
pub fn outbox(tables: &impl TablesRead, limit: usize) -> Result<Vec<Mail>, Fault> {
    let rows = tables.range(Table::Outbox, &[], &[0xff; 9], limit)?;
    rows.iter().map(|(_, row)| decode_row(Table::Outbox, row)).collect()
}

/// Mail of one channel that is to be tried at `now`, the longest due first. What waits for a later try, or goes another way,
/// is not looked at, however much it is.
///
/// # Errors
/// See [`outbox`].
pub fn due_mail(tables: &impl TablesRead, channel: Channel, now: Timestamp, limit: usize) -> Result<Vec<Mail>, Fault> {
    let start = [channel.queue()];
    let end = pair_key(&start, &now.0.saturating_add(1).to_be_bytes());
    let mut due = Vec::new();
    for (row_key, _) in tables.range(Table::OutboxByDue, &start, &end, limit)? {
        let key = row_key.get(DUE_KEY_AT..).unwrap_or_default();
        due.extend(get::<Mail>(tables, Table::Outbox, key)?);
    }
    Ok(due)
}

/// Counts mail on a shelf from a place on, `step` rows at most. Gives how many, and where to go on when there may be more.
///
/// # Errors
/// See [`outbox`].
pub fn count_mail(
    tables: &impl TablesRead,
    shelf: Shelf,
    from: &[u8],
    step: usize,
) -> Result<(usize, Option<Vec<u8>>), Fault> {
    let table = match shelf {
        Shelf::Waiting => Table::Outbox,
        Shelf::Quarantined => Table::Quarantine,
    };
    let rows = tables.range(table, from, &[0xff; 9], step)?;
    let next = rows
        .last()
        .filter(|_| rows.len() >= step)
        .map(|(key, _)| pair_key(key, &[0]));
    Ok((rows.len(), next))
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
