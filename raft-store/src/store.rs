//! The handle that a node holds: propose, read, observe, stop.
//!
//! Must not hold logic of its own: it only ties the parts together.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fault::FaultCell;
use crate::log_store::{LogQueue, LogReader};
use crate::metrics::Counters;
use crate::peer::Links;
use crate::propose::Proposer;
use crate::read::Barriers;
use crate::state::StateStore;
use crate::status::{Contact, Whoami};
use crate::{Config, Fault, MetricsSnapshot, OpenError, ProposeError, Raft, ReadError, StateMachine, Status, View};

/// A command that was applied. Printing it shows the size of the reply only.
#[derive(Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the log.
    pub index: u64,
    /// What the state machine answered.
    pub reply: Bytes,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied")
            .field("index", &self.index)
            .field("reply_bytes", &self.reply.len())
            .finish()
    }
}

/// Handle of the running store; cloning is cheap.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) raft: Raft,
    pub(crate) whoami: Whoami,
    pub(crate) contact: Arc<Contact>,
    pub(crate) state: StateStore,
    pub(crate) log: LogReader,
    pub(crate) log_queue: LogQueue,
    pub(crate) proposer: Proposer,
    pub(crate) barriers: Barriers,
    pub(crate) links: Arc<Links>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) leader: watch::Receiver<Option<u64>>,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultCell,
    pub(crate) tasks: tokio::sync::Mutex<JoinSet<()>>,
    pub(crate) data_dir: std::path::PathBuf,
    /// Held until the store is closed.
    pub(crate) lock: parking_lot::Mutex<Option<crate::disk::FolderLock>>,
}

impl Store {
    /// Opens the data folder, starts consensus and the listener for members. The member that the configuration tells
    /// to forms the cluster in the background, once all members answer that they are new.
    ///
    /// # Errors
    /// Every [`OpenError`] says what was found, where, and what to do. Nothing is served then.
    pub async fn open(config: Config, machine: Arc<dyn StateMachine>) -> Result<Self, OpenError> {
        crate::open::open(config, machine).await
    }

    /// Replicates one command. Returns after a quorum has it on disk and this node has applied it.
    ///
    /// While there is no leader it waits, and it tries again with the same bytes until `deadline`: a command that may
    /// be applied twice has to carry an id by which the state machine recognizes it.
    ///
    /// # Errors
    /// [`ProposeError::NotExecuted`] only if no try can have reached a log.
    pub async fn propose(&self, command: Bytes, deadline: Instant) -> Result<Applied, ProposeError> {
        self.inner.proposer.propose(command, deadline).await
    }

    /// After it returns, [`Store::view`] shows every change acknowledged before the call began, on any member.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if no leader confirmed it before `deadline`.
    pub async fn read_barrier(&self, deadline: Instant) -> Result<u64, ReadError> {
        self.inner.barriers.wait(deadline).await
    }

    /// The tables as of now; they do not change under the view. Drop it soon.
    pub fn view(&self) -> View {
        self.inner.state.view()
    }

    /// What this member knows about itself and the cluster.
    pub fn status(&self) -> Status {
        use openraft::async_runtime::watch::WatchReceiver;
        let seen = *self.inner.state.seen().borrow();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        self.inner
            .whoami
            .status(&metrics, seen.saturating_sub(1), &self.inner.contact)
    }

    /// The status whenever it changes. `last_quorum_ms` is as of the change.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// Returns when storage or consensus failed: the node must stop serving and exit.
    pub async fn failed(&self) -> Fault {
        self.inner.fault.wait().await
    }

    /// The counters.
    pub fn metrics(&self) -> MetricsSnapshot {
        let (memtable_rows, _) = self.inner.state.memory();
        self.inner
            .counters
            .snapshot(self.inner.log.len(), memtable_rows, self.inner.proposer.in_flight())
    }

    /// Stops in order: hands leadership to another member (no longer than `within`, not at all if that is zero), stops
    /// consensus, flushes, closes the data folder. Further calls do nothing.
    ///
    /// # Errors
    /// The fault that had occurred before, or while closing.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Fault> {
        crate::shutdown::shutdown(&self.inner, within).await
    }
}
