//! Tables in memory, for tests and models.

use super::{Row, Table, Tables, TablesRead};
use crate::error::TableFault;
use std::collections::BTreeMap;

/// All tables in one ordered map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTables {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryTables {
    /// Every row, ordered by table and key.
    pub fn rows(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.rows
            .iter()
            .map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl TablesRead for MemoryTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault> {
        if start >= end {
            return Ok(Vec::new());
        }
        let range = (table, start.to_vec())..(table, end.to_vec());
        Ok(self
            .rows
            .range(range)
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }
}

impl Tables for MemoryTables {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) -> Result<(), TableFault> {
        self.rows.insert((table, key.to_vec()), value);
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), TableFault> {
        self.rows.remove(&(table, key.to_vec()));
        Ok(())
    }
}
