//! Applying: `auth-core` as the store's state machine. Bytes are decoded, applied and encoded; nothing is decided here.

use super::view;
use auth_core::apply::apply;
use auth_core::entry::Entry;
use auth_core::error::{Fault, TableFault};
use auth_core::tables::{Row, Table, Tables, TablesRead};
use bytes::Bytes;
use raft_store::{ApplyError, StateMachine, Transaction};
use tokio::sync::watch;

/// The rules of `auth-core`, run over replicated tables.
pub struct Machine {
    applied: watch::Sender<u64>,
}

impl Machine {
    /// The machine, and the index up to which it has applied, for whoever waits for changes.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<u64>) {
        let (applied, receiver) = watch::channel(0);
        (Self { applied }, receiver)
    }
}

impl StateMachine for Machine {
    fn apply(&self, index: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let entry = Entry::decode(command).map_err(|fault| refused(index, &fault))?;
        let reply = apply(index, &entry, &mut InTransaction(tables)).map_err(|fault| refused(index, &fault))?;
        Ok(Bytes::from(reply.encode()))
    }

    fn applied(&self, up_to: u64) {
        self.applied.send_replace(up_to);
    }
}

fn refused(index: u64, fault: &Fault) -> ApplyError {
    ApplyError::refused(format!("entry {index}: {fault}"))
}

/// A transaction of the store behind the port of `auth-core`.
struct InTransaction<'a, 'b>(&'a mut Transaction<'b>);

impl TablesRead for InTransaction<'_, '_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
        view::get(self.0, table, key)
    }

    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault> {
        view::range(self.0, table, start, end, limit)
    }
}

impl Tables for InTransaction<'_, '_> {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) -> Result<(), TableFault> {
        self.0.put(view::id(table), key, &value).map_err(view::fault)
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), TableFault> {
        self.0.remove(view::id(table), key).map_err(view::fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_store::{Read, StorageError, TableId};
    use std::collections::BTreeMap;

    /// Tables as the store gives them, in memory.
    #[derive(Default)]
    struct Rows(BTreeMap<(u8, Bytes), Bytes>);

    impl Read for Rows {
        fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
            Ok(self.0.get(&(table.0, Bytes::copy_from_slice(key))).cloned())
        }

        fn range(
            &self,
            table: TableId,
            start: &[u8],
            end: &[u8],
            limit: usize,
        ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
            let within = |key: &Bytes| key.as_ref() >= start && key.as_ref() < end;
            let rows = self
                .0
                .iter()
                .filter(|((number, key), _)| *number == table.0 && within(key));
            Ok(rows
                .take(limit)
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect())
        }
    }

    #[test]
    fn tables_of_the_store_serve_the_core() {
        let mut base = Rows::default();
        base.0.insert(
            (Table::Sessions.number(), Bytes::from_static(b"a")),
            Bytes::from_static(b"old"),
        );
        let mut transaction = Transaction::over(&base);
        let mut tables = InTransaction(&mut transaction);
        assert_eq!(tables.get(Table::Sessions, b"a").unwrap().as_deref(), Some(&b"old"[..]));
        tables.put(Table::Sessions, b"b", b"new".to_vec()).unwrap();
        tables.put(Table::Outbox, b"b", b"elsewhere".to_vec()).unwrap();
        tables.remove(Table::Sessions, b"a").unwrap();
        let rows = tables.range(Table::Sessions, b"", b"z", 10).unwrap();
        assert_eq!(rows, [(b"b".to_vec(), b"new".to_vec())]);
        assert!(
            tables.put(Table::Sessions, &[0; 4096], Vec::new()).is_err(),
            "the store's limits are faults"
        );
    }

    #[test]
    fn an_entry_that_is_not_understood_is_a_fault_that_names_it() {
        let (machine, _) = Machine::new();
        let base = Rows::default();
        let error = machine
            .apply(41, b"\xffgarbage", &mut Transaction::over(&base))
            .unwrap_err();
        assert!(error.to_string().contains("entry 41"), "{error}");
    }

    #[test]
    fn waiters_learn_what_was_applied() {
        let (machine, receiver) = Machine::new();
        machine.applied(7);
        assert_eq!(*receiver.borrow(), 7);
    }
}
