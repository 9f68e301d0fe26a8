//! Keys and row versions. A row is `[version u8 = 1][CBOR]`; keys are fixed-width, so that their order means something.

use super::{Table, Tables, TablesRead};
use crate::error::Fault;
use minicbor::{Decode, Encode};

/// Version of every row so far.
const ROW_VERSION: u8 = 1;

/// Bytes of a row.
pub fn encode_row<T: Encode<()>>(row: &T) -> Vec<u8> {
    let mut bytes = vec![ROW_VERSION];
    // Writing to a Vec cannot fail.
    let _ = minicbor::encode(row, &mut bytes);
    bytes
}

/// Reads what [`encode_row`] writes.
///
/// # Errors
/// [`Fault::Row`] for anything else.
pub fn decode_row<T: for<'b> Decode<'b, ()>>(table: Table, bytes: &[u8]) -> Result<T, Fault> {
    let fault = |reason: String| Fault::Row {
        table: name(table),
        reason,
    };
    match bytes.split_first() {
        Some((&ROW_VERSION, body)) => minicbor::decode(body).map_err(|e| fault(e.to_string())),
        Some((version, _)) => Err(fault(format!("row version {version} is not known"))),
        None => Err(fault("empty".into())),
    }
}

/// Reads a row.
///
/// # Errors
/// When storage fails or the row does not decode.
pub fn get<T: for<'b> Decode<'b, ()>>(tables: &impl TablesRead, table: Table, key: &[u8]) -> Result<Option<T>, Fault> {
    tables
        .get(table, key)?
        .map(|bytes| decode_row(table, &bytes))
        .transpose()
}

/// Writes a row.
///
/// # Errors
/// When storage fails.
pub fn put<T: Encode<()>>(tables: &mut impl Tables, table: Table, key: &[u8], row: &T) -> Result<(), Fault> {
    Ok(tables.put(table, key, encode_row(row))?)
}

/// Whether a field is left out of the bytes: it was added later, and rows from before it stay as they are.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Two fixed-width parts as one key.
#[must_use]
pub fn pair_key(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, second].concat()
}

/// The smallest key that is greater than every key with this prefix; none when there is no such key.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end)
}

fn name(table: Table) -> &'static str {
    match table {
        Table::Meta => "meta",
        Table::Replies => "replies",
        Table::Expiry => "expiry",
        Table::Accounts => "accounts",
        Table::Usernames => "usernames",
        Table::Emails => "emails",
        Table::Factors => "factors",
        Table::Challenges => "challenges",
        Table::Sessions => "sessions",
        Table::UnknownNames => "unknown_names",
        Table::UnknownNamesByAge => "unknown_names_by_age",
        Table::SigningKeys => "signing_keys",
        Table::Outbox => "outbox",
        Table::Audit => "audit",
        Table::Devices => "devices",
        Table::KnownNetworks => "known_networks",
        Table::SessionsByAccount => "sessions_by_account",
        Table::RecoveryCodes => "recovery_codes",
        Table::MailTokens => "mail_tokens",
        Table::Idempotency => "idempotency",
        Table::AuditByAccount => "audit_by_account",
        Table::AccountsByNumber => "accounts_by_number",
        Table::Quarantine => "quarantine",
        Table::SentMail => "sent_mail",
        Table::IdempotencyByAge => "idempotency_by_age",
        Table::OutboxByDue => "outbox_by_due",
    }
}
