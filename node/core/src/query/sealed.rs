//! Where sealed values are: one for each row of these tables. Whoever adds a table with sealed values adds it here, or its
//! values are lost when the key ring drops their key.

use crate::account::Account;
use crate::error::Fault;
use crate::factor::Factor;
use crate::idempotency::KeptAnswer;
use crate::keys::{RESEAL_KEY, ResealProgress, SealedAt, SealedRow, SigningKey};
use crate::outbox::{Mail, MailTemplate};
use crate::secret::Sealed;
use crate::tables::schema::{decode_row, encode_row, get};
use crate::tables::{Table, TablesRead};

/// Tables with sealed values, in the order in which they are walked.
const SEALED_TABLES: [Table; 6] = [
    Table::Accounts,
    Table::Factors,
    Table::SigningKeys,
    Table::Outbox,
    Table::Idempotency,
    Table::Quarantine,
];

/// Greater than every key of these tables.
const KEYS_END: [u8; 65] = [0xff; 65];

/// Sealed values after `after` in the order of tables and keys, at most `limit`. Fewer than `limit`: there are no more.
///
/// # Errors
/// When storage fails or a row does not decode.
pub fn sealed_rows(tables: &impl TablesRead, after: Option<&SealedAt>, limit: usize) -> Result<Vec<SealedRow>, Fault> {
    let mut found = Vec::new();
    for table in SEALED_TABLES {
        let mut start = match after {
            Some(after) if table.number() < after.table => continue,
            // The smallest key that is greater.
            Some(after) if table.number() == after.table => [after.key.as_slice(), &[0]].concat(),
            Some(_) | None => Vec::new(),
        };
        while found.len() < limit {
            let rows = tables.range(table, &start, &KEYS_END, limit - found.len())?;
            let Some((last, _)) = rows.last() else { break };
            start = [last.as_slice(), &[0]].concat();
            for (key, row) in rows {
                if let Some(sealed) = read(table, &row)? {
                    let at = SealedAt {
                        table: table.number(),
                        key,
                    };
                    found.push(SealedRow { at, sealed });
                }
            }
        }
    }
    Ok(found)
}

/// How far sealing anew went, if it ever began.
///
/// # Errors
/// See [`sealed_rows`].
pub fn reseal_progress(tables: &impl TablesRead) -> Result<Option<ResealProgress>, Fault> {
    get(tables, Table::Meta, RESEAL_KEY)
}

/// The table of that number, when it has sealed values.
pub(crate) fn table(number: u8) -> Option<Table> {
    SEALED_TABLES.into_iter().find(|table| table.number() == number)
}

/// The sealed value of a row, if it has one.
pub(crate) fn read(table: Table, row: &[u8]) -> Result<Option<Sealed>, Fault> {
    visit(table, row, |_| {}).map(|(sealed, _)| sealed)
}

/// The same row with another sealed value.
pub(crate) fn replace(table: Table, row: &[u8], new: &Sealed) -> Result<Vec<u8>, Fault> {
    visit(table, row, |sealed| *sealed = new.clone()).map(|(_, row)| row)
}

/// The sealed value as it was, and the row after `change`.
fn visit(table: Table, row: &[u8], change: impl FnOnce(&mut Sealed)) -> Result<(Option<Sealed>, Vec<u8>), Fault> {
    let mut seen = None;
    let touch = |sealed: &mut Sealed| {
        seen = Some(sealed.clone());
        change(sealed);
    };
    let bytes = match table {
        Table::Accounts => {
            let mut row: Account = decode_row(table, row)?;
            touch(&mut row.password);
            encode_row(&row)
        }
        Table::Factors => {
            let mut row: Factor = decode_row(table, row)?;
            touch(&mut row.seed);
            encode_row(&row)
        }
        Table::SigningKeys => {
            let mut row: SigningKey = decode_row(table, row)?;
            touch(&mut row.private);
            encode_row(&row)
        }
        Table::Outbox | Table::Quarantine => {
            let mut row: Mail = decode_row(table, row)?;
            if let Some(sealed) = mail_secret(&mut row.template) {
                touch(sealed);
            }
            encode_row(&row)
        }
        Table::Idempotency => {
            let mut row: KeptAnswer = decode_row(table, row)?;
            if let Some(sealed) = &mut row.answer {
                touch(sealed);
            }
            encode_row(&row)
        }
        Table::Meta
        | Table::Replies
        | Table::Expiry
        | Table::Usernames
        | Table::Emails
        | Table::Challenges
        | Table::Sessions
        | Table::UnknownNames
        | Table::UnknownNamesByAge
        | Table::Audit
        | Table::Devices
        | Table::KnownNetworks
        | Table::SessionsByAccount
        | Table::RecoveryCodes
        | Table::MailTokens
        | Table::AuditByAccount
        | Table::AccountsByNumber
        | Table::SentMail
        | Table::IdempotencyByAge
        | Table::OutboxByDue => row.to_vec(),
    };
    Ok((seen, bytes))
}

fn mail_secret(template: &mut MailTemplate) -> Option<&mut Sealed> {
    match template {
        MailTemplate::LoginCode { code, .. } => Some(code),
        MailTemplate::ConfirmAddress { token, .. } | MailTemplate::ResetPassword { token, .. } => Some(token),
        MailTemplate::AddressAlreadyRegistered {}
        | MailTemplate::AuthenticatorAdded { .. }
        | MailTemplate::AddressChanged { .. }
        | MailTemplate::Notice { .. } => None,
    }
}
