//! The handle that a node holds: propose, read, observe, stop.
//!
//! Must not hold logic of its own: it only ties the parts together.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::operation::Operation;
use crate::cluster::operator::Operator;
use crate::fault::FaultCell;
use crate::log_store::{LogQueue, LogReader};
use crate::metrics::{Counters, Moment};
use crate::peer::Links;
use crate::propose::Proposer;
use crate::read::Barriers;
use crate::state::StateStore;
use crate::status::{Contact, Whoami};
use crate::{
    ClusterInfo, Config, Fault, JoinToken, MetricsSnapshot, OpenError, OperationError, ProposeError, Raft, ReadError,
    StateMachine, Status, View,
};

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
    pub(crate) operator: Arc<Operator>,
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
        let lineage = self.inner.operator.lead.directory.lives.lineage();
        self.inner.counters.snapshot(Moment {
            log_entries: self.inner.log.len(),
            log_memory_bytes: self.inner.log.memory_bytes().load(std::sync::atomic::Ordering::Relaxed),
            memtable_rows,
            proposals_in_flight: self.inner.proposer.in_flight(),
            starts: lineage.starts,
            guard_writes: lineage.now.reached,
            clock_ahead_ms: self.clock_ahead_ms(),
        })
    }

    /// Forms the cluster of the configured members, once; `expect` is how many they are. All of them have to answer that
    /// they are new and configured alike. Returns what was done.
    ///
    /// # Errors
    /// Refused if any member was ever in a cluster.
    pub async fn form_cluster(
        &self,
        expect: usize,
        cluster_id: Option<[u8; 16]>,
        deadline: Instant,
    ) -> Result<String, OperationError> {
        self.inner.operator.form(expect, cluster_id, deadline).await
    }

    /// The members as the leader sees them.
    ///
    /// # Errors
    /// No leader answered before the deadline.
    pub async fn cluster_info(&self, deadline: Instant) -> Result<ClusterInfo, OperationError> {
        self.inner.operator.describe(deadline).await
    }

    /// A token that lets one new node in, within `life`; if it `replaces` a member, in that one's place.
    ///
    /// # Errors
    /// Refused if there is no such member.
    pub async fn add_join_token(
        &self,
        life: Duration,
        replaces: Option<u64>,
        deadline: Instant,
    ) -> Result<JoinToken, OperationError> {
        self.inner.operator.add_token(life, replaces, deadline).await
    }

    /// Gives a learner a vote, in the place of `replaces` if that is given. Returns when it is done.
    ///
    /// # Errors
    /// Unfinished while the learner catches up; asking again is safe.
    pub async fn add_voter(&self, id: u64, replaces: Option<u64>, deadline: Instant) -> Result<(), OperationError> {
        let operation = Operation::Promote { id, replaces };
        self.inner.operator.carry(operation, deadline).await.map(drop)
    }

    /// Removes a member for ever.
    ///
    /// # Errors
    /// Refused if there would be no quorum without it.
    pub async fn remove_member(&self, id: u64, deadline: Instant) -> Result<(), OperationError> {
        self.inner
            .operator
            .carry(Operation::Remove { id }, deadline)
            .await
            .map(drop)
    }

    /// Makes another member lead: `to`, or the one whose log is the longest.
    ///
    /// # Errors
    /// Refused if `to` has no vote.
    pub async fn transfer_leader(&self, to: Option<u64>, deadline: Instant) -> Result<(), OperationError> {
        self.inner.operator.transfer(to, deadline).await
    }

    /// Raises the cluster's version. Every member must have announced that it speaks it.
    ///
    /// # Errors
    /// Refused with the members that do not.
    pub async fn upgrade_cluster(&self, to: u32, deadline: Instant) -> Result<(), OperationError> {
        self.inner
            .operator
            .carry(Operation::Upgrade { to }, deadline)
            .await
            .map(drop)
    }

    /// The version that all members speak, as far as this one has applied the log. A state machine asks
    /// [`crate::cluster_version`] instead, which is the same on all members at the same entry.
    pub fn cluster_version(&self) -> u32 {
        self.inner.operator.lead.directory.cluster_version()
    }

    /// How far this machine's clock is ahead of the median of a quorum's, in milliseconds; behind it if negative; `None`
    /// before a quorum was asked. Beyond [`crate::CLOCK_OFFSET_MAX`] this member proposes nothing.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.inner.proposer.judgement.ahead_ms()
    }

    /// Why this member will never take part again, if that is so: it was removed.
    pub fn removal(&self) -> Option<String> {
        self.inner.operator.lead.directory.removal()
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
