//! The state machine of the proofs: every client counts its own key up, one number at a time, so that a lost write is a
//! gap, and each number leaves a row whose bytes follow from it, so that a wrong byte is seen.

use bytes::Bytes;
use raft_store::{ApplyError, Read, StateMachine, Store, TableId, Transaction, View};

const NUMBERS: TableId = TableId(1);
const ROWS: TableId = TableId(2);
const KEY_BYTES: usize = 16;
/// Rows that a client leaves; older ones are overwritten.
const ROWS_PER_KEY: u64 = 48;
/// Now and then a row that takes several records on disk.
const LONG_ROW_EVERY: u64 = 16;
const LONG_ROW_BYTES: usize = 20_000;

/// Takes the next number of a key, answers a number that it has with the one it has, and stops at a gap.
pub(super) struct Ledger;

impl StateMachine for Ledger {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let (key, number) = parse(command).ok_or_else(|| ApplyError::refused("a command that is too short"))?;
        let now = tables.get(NUMBERS, key)?.map_or(0, |value| decode(&value));
        if number > now + 1 {
            return Err(ApplyError::refused(format!(
                "{} jumps from {now} to {number}: an acknowledged write is lost",
                String::from_utf8_lossy(key).trim_end()
            )));
        }
        if number == now + 1 {
            tables.put(NUMBERS, key, &number.to_be_bytes())?;
            tables.put(ROWS, &row_key(key, number), &row(key, number))?;
            return Ok(Bytes::copy_from_slice(&number.to_be_bytes()));
        }
        Ok(Bytes::copy_from_slice(&now.to_be_bytes()))
    }
}

/// The command that takes a number.
pub(super) fn command(key: &str, number: u64) -> Bytes {
    let mut bytes = padded(key).to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.resize(bytes.len() + row(&padded(key), number).len(), b'.');
    Bytes::from(bytes)
}

/// The number in a reply.
pub(super) fn decode(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The number that a key has.
///
/// # Errors
/// The tables cannot be read.
pub(super) fn number_of(store: &Store, key: &str) -> Result<u64, String> {
    let value = store.view().get(NUMBERS, &padded(key)).map_err(|e| e.to_string())?;
    Ok(value.map_or(0, |value| decode(&value)))
}

/// What is wrong with the rows of a key that has this number.
pub(super) fn wrong_rows(view: &View, key: &str, number: u64) -> Vec<String> {
    let key_bytes = padded(key);
    let first = number.saturating_sub(ROWS_PER_KEY) + 1;
    let mut wrong = Vec::new();
    for expected in first..=number {
        match view.get(ROWS, &row_key(&key_bytes, expected)) {
            Ok(Some(found)) if found == row(&key_bytes, expected) => {}
            Ok(Some(_)) => wrong.push(format!("row {expected} of {key} has other bytes")),
            Ok(None) => wrong.push(format!("row {expected} of {key} is missing")),
            Err(error) => wrong.push(format!("row {expected} of {key}: {error}")),
        }
    }
    wrong
}

fn parse(command: &[u8]) -> Option<(&[u8], u64)> {
    let (key, rest) = command.split_at_checked(KEY_BYTES)?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    Some((key, u64::from_be_bytes(*number)))
}

fn padded(key: &str) -> [u8; KEY_BYTES] {
    let mut padded = [b' '; KEY_BYTES];
    let bytes = &key.as_bytes()[..key.len().min(KEY_BYTES)];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

fn row_key(key: &[u8], number: u64) -> Vec<u8> {
    [key, &(number % ROWS_PER_KEY).to_be_bytes()].concat()
}

/// Bytes that follow from key and number.
fn row(key: &[u8], number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(LONG_ROW_EVERY) {
        LONG_ROW_BYTES
    } else {
        100 + usize::try_from(number % 200).unwrap_or(0)
    };
    let mark = number.to_be_bytes();
    key.iter().chain(&mark).copied().cycle().take(length).collect()
}
