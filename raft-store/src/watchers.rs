//! Background tasks: publish the status, note faults, save the tables in time.
//!
//! Must not hold up consensus: they only look, and ask.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::rows;
use crate::fault::FaultCell;
use crate::metrics::Counters;
use crate::peer::Directory;
use crate::state::StateStore;
use crate::status::{Contact, Whoami};
use crate::types::Metrics;
use crate::{Config, Raft, Status, disk};

/// Turns what consensus reports into the status, the directory and faults.
pub(crate) struct StatusWatch {
    pub(crate) raft: Raft,
    pub(crate) whoami: Whoami,
    pub(crate) contact: Arc<Contact>,
    pub(crate) look_every: Duration,
    pub(crate) directory: Arc<Directory>,
    pub(crate) state: StateStore,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultCell,
    pub(crate) closing: watch::Receiver<bool>,
}

impl StatusWatch {
    /// The status, and the leader by itself: far fewer changes, for those who wait for it.
    pub(crate) fn start(self, tasks: &mut JoinSet<()>) -> (watch::Receiver<Status>, watch::Receiver<Option<u64>>) {
        let first = self.look(&self.raft.metrics().borrow_watched());
        let (leader, leader_changes) = watch::channel(first.leader);
        let (status, status_changes) = watch::channel(first);
        tasks.spawn(self.run(status, leader));
        (status_changes, leader_changes)
    }

    async fn run(self, sender: watch::Sender<Status>, leader: watch::Sender<Option<u64>>) {
        let mut metrics = self.raft.metrics();
        let mut recorded = None;
        let mut own_rows = 0;
        loop {
            let (status, running) = {
                let metrics = metrics.borrow_and_update();
                if recorded != *metrics.membership_config.log_id() {
                    recorded = *metrics.membership_config.log_id();
                    let nodes = metrics.membership_config.nodes();
                    self.directory
                        .record(nodes.map(|(id, node)| (*id, node.clone())).collect());
                }
                self.note_what_others_hold(&metrics);
                (self.look(&metrics), metrics.running_state.clone())
            };
            self.take_own_rows(&mut own_rows);
            if let Err(error) = running
                && !*self.closing.borrow()
            {
                self.fault.consensus(&error);
            }
            let leads = status.leader;
            self.publish(&sender, status);
            leader.send_if_modified(|known| std::mem::replace(known, leads) != leads);
            // Silence of a leader changes the status as well.
            if let Ok(Err(_)) = tokio::time::timeout(self.look_every, metrics.changed()).await {
                return self.ended();
            }
        }
    }

    /// A leader knows which committed entries each member has on disk: a member that comes back has to have them still.
    fn note_what_others_hold(&self, metrics: &Metrics) {
        let committed = metrics.local_committed.as_ref().map_or(0, |id| id.index + 1);
        for (id, matched) in metrics.replication.iter().flatten() {
            let matched = matched.as_ref().map_or(0, |at| at.index + 1);
            if *id != self.whoami.node_id && matched > 0 {
                self.directory.lives.held(*id, matched.min(committed));
            }
        }
    }

    /// Tells the directory what the store's own rows say, if they changed.
    fn take_own_rows(&self, taken: &mut u64) {
        let changes = self.state.own_changes();
        if *taken == changes {
            return;
        }
        let view = self.state.view();
        match rows::nodes(&view).and_then(|nodes| Ok((nodes, rows::cluster_version(&view)?))) {
            Ok((nodes, version)) => {
                let seen = view.index().map_or(0, |index| index + 1);
                self.directory.record_rows(nodes, seen, version);
                self.counters.cluster_version.store(version.into(), Relaxed);
                *taken = changes;
            }
            // Closed, or damaged: whoever applies finds out as well, and stops the node.
            Err(error) => tracing::debug!(%error, "the rows of the membership cannot be read"),
        }
    }

    fn look(&self, metrics: &Metrics) -> Status {
        let seen = *self.state.seen().borrow();
        self.whoami.status(metrics, seen.saturating_sub(1), &self.contact)
    }

    /// Consensus is gone; in order only if the store is closing.
    fn ended(&self) {
        if !*self.closing.borrow() {
            self.fault.consensus(&"its task ended");
        }
    }

    fn publish(&self, sender: &watch::Sender<Status>, status: Status) {
        sender.send_if_modified(|current| {
            if current.leader != status.leader && status.leader.is_some() {
                self.counters.leader_changes.fetch_add(1, Relaxed);
                tracing::info!(leader = status.leader, term = status.term, "leader known");
            } else if current.leader.is_some() && status.leader.is_none() {
                tracing::info!(term = status.term, "no leader known");
            }
            let changed = *current != status;
            *current = status;
            changed
        });
    }
}

/// Saves the tables when enough time has passed or enough has been written; consensus itself counts entries.
pub(crate) async fn save_tables(raft: Raft, state: StateStore, counters: Arc<Counters>, config: Config) {
    let limits = config.limits;
    let look_every = (limits.checkpoint_interval / 10).clamp(Duration::from_millis(50), Duration::from_secs(2));
    let mut saved_at = Instant::now();
    let mut checkpoints = 0;
    loop {
        tokio::time::sleep(look_every).await;
        let written = counters.checkpoints.load(Relaxed);
        if written != checkpoints {
            (checkpoints, saved_at) = (written, Instant::now());
        }
        let (_, command_bytes) = state.memory();
        let due = saved_at.elapsed() >= limits.checkpoint_interval || command_bytes >= limits.checkpoint_bytes;
        if due && state.unsaved_entries() > 0 {
            saved_at = Instant::now();
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
        measure(&config, &state, &counters);
    }
}

fn measure(config: &Config, state: &StateStore, counters: &Counters) {
    let log_bytes = disk::usage(&config.data_dir.join("log"));
    let tables = state.folder();
    let state_bytes = tables.as_deref().map_or(0, disk::usage);
    let unsynced = tables.as_deref().map_or(0, disk::unsynced);
    counters.log_disk_bytes.store(log_bytes, Relaxed);
    counters.state_disk_bytes.store(state_bytes, Relaxed);
    if unsynced > counters.unsynced_files.swap(unsynced, Relaxed) {
        tracing::error!(files = unsynced, "sled wrote data outside of its log, without fsync");
    }
}
