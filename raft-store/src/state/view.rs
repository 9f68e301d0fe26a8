//! One consistent state of the tables: rows in memory over tables on disk, as of one entry.
//!
//! Taking a view is cheap and blocks nothing. A view kept for very long is ended, so that checkpoints can go on.

use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::base::Base;
use super::level::{Level, Rows, row_key, visible};
use super::pace::Transfer;
use super::registry::Registry;
use crate::StorageError;
use crate::machine::{Read, TableId};

/// Rows read from the tables on disk at a time.
const PAGE_ROWS: usize = 256;

/// A consistent state of the tables.
pub struct View {
    levels: Option<ViewLevels>,
}

#[derive(Clone)]
pub(crate) struct ViewLevels {
    pub(crate) active: Arc<Level>,
    pub(crate) frozen: Option<Arc<Level>>,
    pub(crate) base: Arc<Base>,
    pub(crate) seen: u64,
    /// How many rows it has.
    pub(crate) rows: u64,
    pub(crate) registry: Arc<Registry>,
}

impl View {
    /// A view of what `levels` hold. The caller makes sure that no checkpoint starts in between.
    pub(crate) fn new(levels: Option<ViewLevels>) -> Self {
        if let Some(levels) = &levels {
            levels.registry.enter(levels.seen);
        }
        Self { levels }
    }

    /// Index of the last entry this view has seen, if any.
    pub fn index(&self) -> Option<u64> {
        self.levels.as_ref().and_then(|levels| levels.seen.checked_sub(1))
    }

    fn levels(&self) -> Result<&ViewLevels, StorageError> {
        self.levels.as_ref().ok_or(StorageError::Closed)
    }

    /// Announces that all its rows are going to be sent to another member.
    pub(crate) fn transfer(&self) -> Result<Transfer, StorageError> {
        let levels = self.levels()?;
        Ok(levels.registry.pace.transfer(levels.seen, levels.rows))
    }

    /// Up to `limit` rows of all tables from `start` on, for a snapshot.
    pub(crate) fn page(&self, start: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        let levels = self.levels()?;
        levels.registry.read_on();
        levels.check(levels.rows_in(start, None, limit))
    }
}

impl Clone for View {
    fn clone(&self) -> Self {
        Self::new(self.levels.clone())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(levels) = &self.levels {
            levels.registry.leave(levels.seen);
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("index", &self.index()).finish()
    }
}

impl Read for View {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.levels()?.get(table, key)
    }

    fn range(
        &self,
        table: TableId,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        self.levels()?.range(table, start, end, limit)
    }
}

impl Read for ViewLevels {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let row = row_key(table.0, key);
        for level in std::iter::once(&self.active).chain(&self.frozen) {
            if let Some(known) = level.get(&row, self.seen) {
                return Ok(known);
            }
        }
        self.check(self.base.get(&row))
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
        let rows = self.check(self.rows_in(&row_key(table.0, start), Some(&row_key(table.0, end)), limit))?;
        Ok(rows.into_iter().map(|(row, value)| (row.slice(1..), value)).collect())
    }
}

impl ViewLevels {
    /// Only an answer from a view that is still in time is an answer.
    fn check<T>(&self, answer: Result<T, StorageError>) -> Result<T, StorageError> {
        if self.registry.expired(self.seen) {
            Err(StorageError::ViewExpired)
        } else {
            answer
        }
    }

    /// Rows from `start` on and before `end`, page by page of the disk with the rows in memory laid over it.
    fn rows_in(&self, start: &[u8], end: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        let mut found = Vec::new();
        let mut from = Bytes::copy_from_slice(start);
        loop {
            let page_rows = PAGE_ROWS.min(limit);
            let page = self.base.page(&from, end, page_rows)?;
            // What lies in memory behind the page belongs to a later one, unless this is the last.
            let next = (page.len() == page_rows)
                .then(|| page.last().map(|(row, _)| successor(row)))
                .flatten();
            let until = next.as_deref().or(end);
            let frozen = self.frozen.as_ref().map(|level| level.read());
            let active = self.active.read();
            let layers = Layers {
                active: in_range(&active, &from, until, self.seen).peekable(),
                frozen: frozen
                    .iter()
                    .flat_map(|rows| in_range(rows, &from, until, self.seen))
                    .peekable(),
                base: page.into_iter().peekable(),
            };
            layers.collect_into(&mut found, limit);
            match next {
                Some(next) if found.len() < limit => from = next,
                Some(_) | None => return Ok(found),
            }
        }
    }
}

/// The rows of a level that a view sees, from `from` on and before `until`; `None` for removed ones.
fn in_range<'a>(
    rows: &'a Rows,
    from: &Bytes,
    until: Option<&[u8]>,
    seen: u64,
) -> impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> + use<'a> {
    let to = until.map_or(Bound::Unbounded, Bound::Excluded);
    rows.range::<[u8], _>((Bound::Included(from.as_ref()), to))
        .filter_map(move |(row, versions)| visible(versions, seen).map(|version| (row, &version.value)))
}

/// Three sorted sources; where they share a row, the first one is right.
struct Layers<A: Iterator, F: Iterator, B: Iterator> {
    active: Peekable<A>,
    frozen: Peekable<F>,
    base: Peekable<B>,
}

impl<'a, A, F, B> Layers<A, F, B>
where
    A: Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
    F: Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
    B: Iterator<Item = (Bytes, Bytes)>,
{
    fn collect_into(mut self, found: &mut Vec<(Bytes, Bytes)>, limit: usize) {
        while found.len() < limit {
            let heads = [
                self.active.peek().map(|(row, _)| (*row).clone()),
                self.frozen.peek().map(|(row, _)| (*row).clone()),
                self.base.peek().map(|(row, _)| row.clone()),
            ];
            let Some(row) = heads.into_iter().flatten().min() else {
                return;
            };
            let active = self
                .active
                .next_if(|(head, _)| **head == row)
                .map(|(_, value)| value.clone());
            let frozen = self
                .frozen
                .next_if(|(head, _)| **head == row)
                .map(|(_, value)| value.clone());
            let base = self
                .base
                .next_if(|(head, _)| *head == row)
                .map(|(_, value)| Some(value));
            if let Some(value) = active.or(frozen).or(base).flatten() {
                found.push((row, value));
            }
        }
    }
}

/// The smallest key above `row`.
pub(crate) fn successor(row: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(row.len() + 1);
    next.extend_from_slice(row);
    next.push(0);
    Bytes::from(next)
}
