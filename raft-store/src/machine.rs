//! What a user of the store implements, and the tables it works on.
//!
//! Must not know how tables are kept: see `state`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::limits::{KEY_BYTES_MAX, TABLE_RESERVED_FIRST, VALUE_BYTES_MAX};
use crate::{ApplyError, StorageError};

/// A table of the replicated state. The user of the crate chooses the numbers; 0xF0 and above are reserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableId(pub u8);

/// Read access to tables: applied state, or a transaction in flight.
pub trait Read {
    /// The value of a key.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// Ascending keys in `[start, end)`, at most `limit` of them.
    fn range(
        &self,
        table: TableId,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError>;
}

/// The deterministic program that every member runs over the same entries.
pub trait StateMachine: Send + Sync + 'static {
    /// The same index, command and tables give the same writes and the same reply on every member. It must not panic
    /// on data: an error is a fault that stops the node.
    fn apply(&self, index: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError>;

    /// Called after each applied batch on every member, outside of locks.
    fn applied(&self, _up_to: u64) {}
}

/// The writes of one entry: seen by its own reads, kept together with the reply or not at all.
pub struct Transaction<'a> {
    base: &'a dyn Read,
    writes: BTreeMap<(u8, Bytes), Option<Bytes>>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(base: &'a dyn Read) -> Self {
        Self {
            base,
            writes: BTreeMap::new(),
        }
    }

    /// A transaction over any tables, for tests of a state machine; its writes are given to `into_writes`.
    pub fn over(base: &'a dyn Read) -> Self {
        Self::new(base)
    }

    /// Sets a value.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        check_key(table, key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(StorageError::ValueTooLong {
                given: value.len(),
                max: VALUE_BYTES_MAX,
            });
        }
        self.writes.insert(
            (table.0, Bytes::copy_from_slice(key)),
            Some(Bytes::copy_from_slice(value)),
        );
        Ok(())
    }

    /// Removes a key; no error if it is not there.
    pub fn remove(&mut self, table: TableId, key: &[u8]) -> Result<(), StorageError> {
        check_key(table, key)?;
        self.writes.insert((table.0, Bytes::copy_from_slice(key)), None);
        Ok(())
    }

    /// Sets a row of the store's own tables.
    pub(crate) fn put_own(&mut self, table: TableId, key: &[u8], value: Bytes) {
        self.writes.insert((table.0, Bytes::copy_from_slice(key)), Some(value));
    }

    /// Removes a row of the store's own tables.
    pub(crate) fn remove_own(&mut self, table: TableId, key: &[u8]) {
        self.writes.insert((table.0, Bytes::copy_from_slice(key)), None);
    }

    /// The writes in order of table and key; `None` removes.
    pub fn into_writes(self) -> BTreeMap<(u8, Bytes), Option<Bytes>> {
        self.writes
    }
}

impl Read for Transaction<'_> {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        match self.writes.get(&(table.0, Bytes::copy_from_slice(key))) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(table, key),
        }
    }

    fn range(
        &self,
        table: TableId,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        if start >= end || limit == 0 {
            return Ok(Vec::new());
        }
        let from = (table.0, Bytes::copy_from_slice(start));
        let to = (table.0, Bytes::copy_from_slice(end));
        let own: Vec<_> = self
            .writes
            .range(from..to)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        // Each own write can hide at most one row below it.
        let below = self.base.range(table, start, end, limit.saturating_add(own.len()))?;
        let mut merged: BTreeMap<Bytes, Bytes> = below.into_iter().collect();
        for (key, value) in own {
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        Ok(merged.into_iter().take(limit).collect())
    }
}

fn check_key(table: TableId, key: &[u8]) -> Result<(), StorageError> {
    if table.0 >= TABLE_RESERVED_FIRST {
        return Err(StorageError::ReservedTable(table.0));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(StorageError::KeyTooLong {
            given: key.len(),
            max: KEY_BYTES_MAX,
        });
    }
    Ok(())
}
