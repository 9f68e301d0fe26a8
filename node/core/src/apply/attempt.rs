//! Writes that happen all or not at all within one entry: several acts of which a later one may be refused.

use crate::error::{Fault, TableFault};
use crate::tables::{Row, Table, Tables, TablesRead};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Tables with changes that are not made yet. Dropped, it made none.
pub(super) struct Attempt<'a, T> {
    under: &'a mut T,
    /// New values; none for what is removed.
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
}

impl<'a, T: Tables> Attempt<'a, T> {
    pub(super) fn new(under: &'a mut T) -> Self {
        Self {
            under,
            changes: BTreeMap::new(),
        }
    }

    /// Makes the changes.
    pub(super) fn keep(self) -> Result<(), Fault> {
        for ((table, key), value) in self.changes {
            match value {
                Some(value) => self.under.put(table, &key, value)?,
                None => self.under.remove(table, &key)?,
            }
        }
        Ok(())
    }
}

impl<T: TablesRead> TablesRead for Attempt<'_, T> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
        match self.changes.get(&(table, key.to_vec())) {
            Some(changed) => Ok(changed.clone()),
            None => self.under.get(table, key),
        }
    }

    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault> {
        if start >= end {
            return Ok(Vec::new());
        }
        let bounds = (
            Bound::Included((table, start.to_vec())),
            Bound::Excluded((table, end.to_vec())),
        );
        let changed: Vec<_> = self.changes.range(bounds).collect();
        // Each change takes at most one row away.
        let rows = self
            .under
            .range(table, start, end, limit.saturating_add(changed.len()))?;
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        for ((_, key), value) in changed {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }
}

impl<T: Tables> Tables for Attempt<'_, T> {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) -> Result<(), TableFault> {
        self.changes.insert((table, key.to_vec()), Some(value));
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), TableFault> {
        self.changes.insert((table, key.to_vec()), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::memory::MemoryTables;
    use proptest::prelude::*;

    fn change(tables: &mut impl Tables, key: u8, value: Option<u8>) {
        match value {
            Some(value) => tables.put(Table::Meta, &[key], vec![value]).unwrap(),
            None => tables.remove(Table::Meta, &[key]).unwrap(),
        }
    }

    fn changes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        proptest::collection::vec((0..12_u8, proptest::option::of(any::<u8>())), 0..20)
    }

    proptest! {
        #[test]
        fn an_attempt_reads_like_tables_with_its_changes_and_makes_them_all_or_none(
            before in changes(), tried in changes(), start in 0..12_u8, end in 0..13_u8, limit in 0..6_usize, kept: bool,
        ) {
            let mut tables = MemoryTables::default();
            for (key, value) in before {
                change(&mut tables, key, value);
            }
            let untouched = tables.clone();
            let mut changed = tables.clone();
            let mut attempt = Attempt::new(&mut tables);
            for (key, value) in tried {
                change(&mut attempt, key, value);
                change(&mut changed, key, value);
            }
            for key in 0..12 {
                prop_assert_eq!(attempt.get(Table::Meta, &[key]).unwrap(), changed.get(Table::Meta, &[key]).unwrap());
            }
            if start < end {
                prop_assert_eq!(
                    attempt.range(Table::Meta, &[start], &[end], limit).unwrap(),
                    changed.range(Table::Meta, &[start], &[end], limit).unwrap()
                );
            }
            if kept {
                attempt.keep().unwrap();
                prop_assert!(tables == changed);
            } else {
                drop(attempt);
                prop_assert!(tables == untouched);
            }
        }
    }
}
