//! What the simulated members replicate: values that are written, compared and set, things that are taken once and forgotten
//! later, and an amount that is moved between two rows. Every entry that any member applies is noted, so that two members can
//! be seen to differ, and so that a call without an answer can be looked up.
//!
//! Must not depend on anything but index, command and rows.

use crate::history::{Call, Outcome};
use bytes::Bytes;
use raft_store::{ApplyError, Read, StateMachine, TableId, Transaction};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Where the values are.
pub(super) const TABLE: TableId = TableId(1);

/// Two rows whose values are [`AMOUNT`] together, always.
pub(super) const HALVES: [&[u8]; 2] = [b"half/left", b"half/spent"];
/// See above.
pub(super) const AMOUNT: u64 = 1_000_000;
/// Things that can be taken are remembered for so many windows: longer than anybody waits for an answer.
const WINDOWS_KEPT: u64 = 8;

/// The value of a row that holds a number.
pub(super) fn number(value: Option<Bytes>) -> Option<u64> {
    std::str::from_utf8(&value?).ok()?.parse().ok()
}

/// What the first member that applied an entry saw.
struct Applied {
    command: Vec<u8>,
    answer: Bytes,
    at: Instant,
}

/// By entry.
type Seen = BTreeMap<u64, Applied>;

/// The machine of all members; cloning shares what was seen.
#[derive(Clone, Default)]
pub(super) struct Cells {
    seen: Arc<Mutex<Seen>>,
    different: Arc<Mutex<Option<String>>>,
}

impl Cells {
    /// The first entry that two members did not apply alike.
    pub(super) fn difference(&self) -> Option<String> {
        self.different.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Entries that were applied by anybody.
    pub(super) fn entries(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What became of calls without an answer, once nobody asks any more: the log knows. One that no member ever applied had no
    /// effect; of the others whoever reads after the entry was applied for the first time must see it, so that they end
    /// then. Without this, each of them might have taken effect at any time, and the checker would have too many orders to try.
    pub(super) fn look_up(&self, began: Instant, calls: Vec<Call>) -> Vec<Call> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let applied: BTreeMap<&[u8], &Applied> = seen.values().map(|one| (one.command.as_slice(), one)).collect();
        let look = |call: Call| {
            if !call.outcome.is_unknown() {
                return Some(call);
            }
            let one = applied.get(command_of(&call).as_bytes())?;
            let after = one.at.saturating_duration_since(began).as_micros();
            Some(Call {
                ended_us: Some(u64::try_from(after).unwrap_or(u64::MAX)),
                outcome: outcome_of(&one.answer),
                ..call
            })
        };
        calls.into_iter().filter_map(look).collect()
    }

    fn note(&self, index: u64, command: &[u8], answer: &Bytes) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(index).or_insert_with(|| Applied {
            command: command.to_vec(),
            answer: answer.clone(),
            at: Instant::now(),
        });
        if (first.command.as_slice(), &first.answer) != (command, answer) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let what = format!(
                "entry {index} was {:?} -> {:?} for one member and {:?} -> {:?} for another",
                text(&first.command),
                text(&first.answer),
                text(command),
                text(answer)
            );
            let mut different = self.different.lock().unwrap_or_else(PoisonError::into_inner);
            different.get_or_insert(what);
        }
    }
}

impl StateMachine for Cells {
    fn apply(&self, index: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let words: Vec<&[u8]> = command.split(|byte| *byte == b' ').collect();
        let answer: &'static [u8] = match words.as_slice() {
            [b"write", key, value] => {
                tables.put(TABLE, key, value)?;
                b"ok"
            }
            [b"cas", key, old, new] => {
                let now = tables.get(TABLE, key)?.unwrap_or_default();
                if now.as_ref() == *old {
                    tables.put(TABLE, key, new)?;
                    b"ok"
                } else {
                    b"no"
                }
            }
            [b"take", key, _] => take(key, tables)?,
            [b"move", amount] => {
                let amount = number(Some(Bytes::copy_from_slice(amount))).unwrap_or_default();
                let left = number(tables.get(TABLE, HALVES[0])?).unwrap_or(AMOUNT);
                let moved = amount.min(left);
                let spent = number(tables.get(TABLE, HALVES[1])?).unwrap_or_default();
                tables.put(TABLE, HALVES[0], (left - moved).to_string().as_bytes())?;
                tables.put(TABLE, HALVES[1], (spent + moved).to_string().as_bytes())?;
                b"ok"
            }
            _ => return Err(ApplyError::refused("an unknown verb")),
        };
        let answer = Bytes::from_static(answer);
        self.note(index, command, &answer);
        Ok(answer)
    }
}

/// The command that a client sent, no two of which are the same.
fn command_of(call: &Call) -> String {
    let input = call.input.as_deref().unwrap_or_default();
    match (call.verb.as_str(), input.split_once("->")) {
        ("cas", Some((old, new))) => format!("cas {} {old} {new}", call.key),
        ("consume", _) => format!("take {} {input}", call.key),
        (verb, _) => format!("{verb} {} {input}", call.key),
    }
}

/// What an answer means to a client.
pub(super) fn outcome_of(answer: &[u8]) -> Outcome {
    if answer == b"ok" {
        Outcome::Ok(None)
    } else {
        Outcome::Denied("another value".into())
    }
}

/// Takes what nobody has taken; what is old enough is forgotten, so that rows go, too.
fn take(key: &[u8], tables: &mut Transaction<'_>) -> Result<&'static [u8], ApplyError> {
    let window = std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.rsplit('/').next()?.parse::<u64>().ok());
    if let Some(old) = window.and_then(|window| window.checked_sub(WINDOWS_KEPT)) {
        let old = once(old);
        if tables.get(TABLE, old.as_bytes())?.is_some() {
            tables.remove(TABLE, old.as_bytes())?;
        }
    }
    if tables.get(TABLE, key)?.is_some() {
        return Ok(b"no");
    }
    tables.put(TABLE, key, b"taken")?;
    Ok(b"ok")
}

/// What can be taken once in a window of time.
pub(super) fn once(window: u64) -> String {
    format!("once/{window}")
}
