//! What the simulated members replicate: values that are written, compared and set, and things that are taken once. Every
//! entry that any member applies is noted, so that two members can be seen to differ.
//!
//! Must not depend on anything but index, command and rows.

use bytes::Bytes;
use raft_store::{ApplyError, Read, StateMachine, TableId, Transaction};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the values are.
pub(super) const TABLE: TableId = TableId(1);

/// What the first member that applied an entry saw: its command and its answer.
type Seen = BTreeMap<u64, (Vec<u8>, Bytes)>;

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

    fn note(&self, index: u64, command: &[u8], answer: &Bytes) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(index).or_insert_with(|| (command.to_vec(), answer.clone()));
        if (first.0.as_slice(), &first.1) != (command, answer) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let what = format!(
                "entry {index} was {:?} -> {:?} for one member and {:?} -> {:?} for another",
                text(&first.0),
                text(&first.1),
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
            [b"take", key] => {
                if tables.get(TABLE, key)?.is_none() {
                    tables.put(TABLE, key, b"taken")?;
                    b"ok"
                } else {
                    b"no"
                }
            }
            _ => return Err(ApplyError::refused("an unknown verb")),
        };
        let answer = Bytes::from_static(answer);
        self.note(index, command, &answer);
        Ok(answer)
    }
}
