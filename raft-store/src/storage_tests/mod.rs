//! Tests of log and tables together: openraft's own suite, reopening, interrupted checkpoints, damage.
//!
//! Must not start consensus: see `tests/` for that.

mod concurrency;
mod log;
mod snapshots;
mod suite;
mod tables;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;

use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::log_store::LogStore;
use crate::machine::{StateMachine, TableId, Transaction};
use crate::metrics::Counters;
use crate::state::{Applier, StateStore};
use crate::types::{Command, Entry, LeaderId, LogId, Payload, Types};
use crate::{ApplyError, OpenError, Read};

pub(super) const OWNER: Identity = Identity {
    cluster_id: [1; 16],
    node_id: 1,
    incarnation: [2; 16],
};
/// Short, so that tests see many segments.
pub(super) const SEGMENT_BYTES: u64 = 64 << 10;
pub(super) const TABLE: TableId = TableId(1);

/// `put key value` or `remove key`; the reply is the value before.
pub(super) struct KeyValue;

impl StateMachine for KeyValue {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let text = std::str::from_utf8(command).map_err(|error| ApplyError::refused(error.to_string()))?;
        let mut words = text.splitn(3, ' ');
        let (verb, key) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default().as_bytes(),
        );
        let before = tables.get(TABLE, key)?.unwrap_or_default();
        match verb {
            "put" => tables.put(TABLE, key, words.next().unwrap_or_default().as_bytes())?,
            "remove" => tables.remove(TABLE, key)?,
            _ => return Err(ApplyError::refused(format!("unknown verb {verb:?}"))),
        }
        Ok(before)
    }
}

/// Log and tables of one folder, as a store opens them.
pub(super) struct Opened {
    pub(super) log: LogStore,
    pub(super) state: StateStore,
    pub(super) applier: Applier,
    pub(super) guard: Arc<Guard>,
}

pub(super) fn open(folder: &Path) -> Result<Opened, OpenError> {
    crate::install_real_fsync()?;
    open_on(&Disk::Real, folder)
}

pub(super) fn open_on(disk: &Disk, folder: &Path) -> Result<Opened, OpenError> {
    disk.create_folder(folder)
        .map_err(OpenError::io("cannot create", folder))?;
    let (guard, promises) = Guard::open(disk, folder, OWNER)?;
    let (guard, counters, fault) = (Arc::new(guard), Arc::new(Counters::default()), FaultCell::new());
    let log = LogStore::open(
        disk,
        folder,
        SEGMENT_BYTES,
        &promises,
        guard.clone(),
        counters.clone(),
        fault.clone(),
    )?;
    let state = StateStore::open(disk, folder, 1 << 20, &promises, guard.clone(), counters, fault)?;
    let applier = Applier::new(state.clone(), Arc::new(KeyValue), 1, 10);
    Ok(Opened {
        log,
        state,
        applier,
        guard,
    })
}

impl Opened {
    pub(super) async fn close(self) {
        self.log.queue().close().await.unwrap();
        self.state.close();
    }

    /// Appends and waits for the disk.
    pub(super) async fn append(&mut self, entries: Vec<Entry>) {
        let (done, flushed) = Types::oneshot();
        self.log.append(entries, IOFlushed::signal(done)).await.unwrap();
        flushed.await.unwrap().unwrap();
    }

    pub(super) async fn apply(&mut self, entries: Vec<Entry>) {
        let items = entries.into_iter().map(|entry| Ok((entry, None)));
        self.applier.apply(futures_util::stream::iter(items)).await.unwrap();
    }
}

pub(super) fn log_id(term: u64, index: u64) -> LogId {
    LogId {
        leader_id: LeaderId { term, node_id: 1 },
        index,
    }
}

pub(super) fn command(term: u64, index: u64, text: impl Into<Bytes>) -> Entry {
    Entry {
        log_id: log_id(term, index),
        payload: Payload::Command(Command(text.into())),
    }
}
