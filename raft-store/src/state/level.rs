//! Rows in memory that are not in the tables on disk yet, each with the versions that some view can still see.
//!
//! Must not touch the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::{RwLock, RwLockReadGuard};

/// What one entry made of a row; `None` removed it.
pub(crate) struct Version {
    index: u64,
    pub(crate) value: Option<Bytes>,
}

pub(crate) type Rows = BTreeMap<Bytes, Vec<Version>>;

/// A set of changed rows.
#[derive(Default)]
pub(crate) struct Level {
    rows: RwLock<Rows>,
    /// Bytes of commands that led to the changes.
    pub(crate) command_bytes: AtomicU64,
}

impl Level {
    /// Adds the writes of the entry at `index`. Versions that no view below `floor` needs are dropped.
    pub(crate) fn commit(&self, index: u64, floor: u64, writes: BTreeMap<(u8, Bytes), Option<Bytes>>) {
        if writes.is_empty() {
            return;
        }
        let mut rows = self.rows.write();
        for ((table, key), value) in writes {
            let versions = rows.entry(row_key(table, &key)).or_default();
            versions.push(Version { index, value });
            // The newest version below the floor is what the oldest view sees.
            let unseen = versions.iter().rposition(|version| version.index < floor).unwrap_or(0);
            versions.drain(..unseen);
        }
    }

    /// The row as a view sees it that has seen `seen` entries; the outer `None` says that this level does not know.
    pub(crate) fn get(&self, key: &[u8], seen: u64) -> Option<Option<Bytes>> {
        self.rows
            .read()
            .get(key)
            .and_then(|versions| visible(versions, seen))
            .map(|version| version.value.clone())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.read().len()
    }

    pub(crate) fn note_command(&self, bytes: usize) {
        self.command_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

/// The newest version that a view sees that has seen `seen` entries.
pub(crate) fn visible(versions: &[Version], seen: u64) -> Option<&Version> {
    versions.iter().rev().find(|version| version.index < seen)
}

/// The key of a row across all tables.
pub(crate) fn row_key(table: u8, key: &[u8]) -> Bytes {
    let mut row = Vec::with_capacity(key.len() + 1);
    row.push(table);
    row.extend_from_slice(key);
    Bytes::from(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(level: &Level, index: u64, floor: u64, value: Option<&'static [u8]>) {
        let writes = BTreeMap::from([((1, Bytes::from_static(b"k")), value.map(Bytes::from_static))]);
        level.commit(index, floor, writes);
    }

    #[test]
    fn a_view_sees_what_was_there_when_it_was_taken() {
        let level = Level::default();
        put(&level, 5, 5, Some(b"a"));
        put(&level, 6, 6, Some(b"b"));
        put(&level, 7, 6, None);
        let key = row_key(1, b"k");
        assert_eq!(level.get(&key, 5), None);
        assert_eq!(level.get(&key, 6), Some(Some(Bytes::from_static(b"a"))));
        assert_eq!(level.get(&key, 7), Some(Some(Bytes::from_static(b"b"))));
        assert_eq!(level.get(&key, 8), Some(None));
    }

    #[test]
    fn versions_that_nobody_sees_are_dropped() {
        let level = Level::default();
        for index in 0..100 {
            put(&level, index, index, Some(b"x"));
        }
        assert_eq!(level.read().values().next().unwrap().len(), 2);
    }
}
