//! Reading: the store's view behind the port that `auth-core` asks its questions through.

use auth_core::error::TableFault;
use auth_core::tables::{Row, Table, TablesRead};
use raft_store::{Read, StorageError, TableId};

/// One consistent state of the tables. To be used and dropped: a view that is held long expires.
#[derive(Clone)]
pub struct View {
    store: raft_store::View,
}

impl View {
    pub(super) fn new(store: raft_store::View) -> Self {
        Self { store }
    }
}

impl TablesRead for View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
        get(&self.store, table, key)
    }

    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault> {
        range(&self.store, table, start, end, limit)
    }
}

pub(super) fn id(table: Table) -> TableId {
    TableId(table.number())
}

pub(super) fn get(store: &impl Read, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
    Ok(store.get(id(table), key).map_err(fault)?.map(Vec::from))
}

pub(super) fn range(
    store: &impl Read,
    table: Table,
    start: &[u8],
    end: &[u8],
    limit: usize,
) -> Result<Vec<Row>, TableFault> {
    let rows = store.range(id(table), start, end, limit).map_err(fault)?;
    Ok(rows
        .into_iter()
        .map(|(key, value)| (Vec::from(key), Vec::from(value)))
        .collect())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn fault(error: StorageError) -> TableFault {
    TableFault(error.to_string())
}
