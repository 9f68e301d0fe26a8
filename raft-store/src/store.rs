//! skeleton
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    Config, Fault, MetricsSnapshot, OpenError, ProposeError, Read, ReadError, StateMachine, Status, StorageError,
    TableId,
};

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the log.
    pub index: u64,
    /// What the state machine answered.
    pub reply: Bytes,
}

/// One consistent state of the tables.
#[derive(Clone)]
pub struct View(Arc<()>);

impl Read for View {
    fn get(&self, _table: TableId, _key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        todo!()
    }
    fn range(&self, _t: TableId, _s: &[u8], _e: &[u8], _l: usize) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        todo!()
    }
}

/// Handle of the running store; cloning is cheap.
#[derive(Clone)]
pub struct Store(Arc<()>);

impl Store {
    /// Opens the data folder, starts consensus and the listener for members.
    pub async fn open(_config: Config, _machine: Arc<dyn StateMachine>) -> Result<Store, OpenError> {
        todo!()
    }
    /// Replicates one command.
    pub async fn propose(&self, _command: Bytes, _deadline: Instant) -> Result<Applied, ProposeError> {
        todo!()
    }
    /// ReadIndex.
    pub async fn read_barrier(&self, _deadline: Instant) -> Result<u64, ReadError> {
        todo!()
    }
    /// consistent read access to applied state
    pub fn view(&self) -> View {
        todo!()
    }
    /// status
    pub fn status(&self) -> Status {
        todo!()
    }
    /// changes of status
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        todo!()
    }
    /// fatal fault
    pub async fn failed(&self) -> Fault {
        todo!()
    }
    /// counters
    pub fn metrics(&self) -> MetricsSnapshot {
        todo!()
    }
    /// orderly stop
    pub async fn shutdown(&self, _within: Duration) -> Result<(), Fault> {
        todo!()
    }
}
