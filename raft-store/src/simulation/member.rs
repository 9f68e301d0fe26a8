//! One member: its stores on a simulated disk, opened by the code that opens them in production, and consensus over them.
//! The writer of the log is a task that works off its queue at the pace of the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openraft::SnapshotPolicy;

use super::joining::reconcile;
use super::network::{Hub, SimNetwork};
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::log_store::{LogReader, LogStore, Writer};
use crate::metrics::Counters;
use crate::state::{Applier, StateStore};
use crate::{Limits, OpenError, Raft, StateMachine, purging};

const CACHE_BYTES: u64 = 1 << 20;
/// So short that runs are full of new segments, and that some entries need one of their own.
const SEGMENT_BYTES: u64 = 8 << 10;
pub(super) const CLUSTER_ID: [u8; 16] = [1; 16];
pub(super) const FOLDER: &str = "/data";
/// Entries between two checkpoints, and entries that are kept behind one: few, so that runs are full of them.
const CHECKPOINT_ENTRIES: u64 = 40;
const LOG_KEPT_ENTRIES: u64 = 12;
/// Memory for entries that are not purged: so little that what a living member lacks is purged, too, now and then.
const LOG_MEMORY_BYTES: u64 = 32 << 10;
const DIGEST_ENTRIES: u64 = 8;
/// What a write takes on a disk that is well.
const PACE: Duration = Duration::from_millis(3);

pub(super) struct Member {
    pub(super) disk: SimDisk,
    pub(super) running: Option<Running>,
    /// Entries that were on its disk when it stopped.
    pub(super) durable: u64,
    pace_ms: Arc<AtomicU64>,
}

pub(super) struct Running {
    pub(super) raft: Raft,
    pub(super) state: StateStore,
    pub(super) log: LogReader,
    pub(super) guard: Arc<Guard>,
    pub(super) fault: FaultCell,
    /// Which of all lives of members this is.
    pub(super) life: u64,
    ended: tokio::sync::watch::Sender<bool>,
}

impl Member {
    pub(super) fn pace(&self, pace: Duration) {
        let pace = u64::try_from(pace.as_millis()).unwrap_or(u64::MAX);
        self.pace_ms.store(pace.max(1), Relaxed);
    }
}

impl Running {
    pub(super) async fn end(self) {
        self.ended.send_replace(true);
        // Its disk is not the one that it comes back with: whatever it still does there is lost.
        let _stopped = self.raft.shutdown().await;
    }
}

/// Opens the stores of a disk, and starts consensus over them.
pub(super) async fn open(
    id: u64,
    disk: SimDisk,
    hub: &Arc<Hub>,
    machine: Arc<dyn StateMachine>,
) -> Result<Member, String> {
    let stores = Stores::open(id, &disk).map_err(|error| format!("member {id}: {error}"))?;
    let Stores {
        log,
        writer,
        state,
        guard,
        fault,
        incarnation,
    } = stores;
    let reader = log.reader();
    let pace_ms = Arc::new(AtomicU64::new(u64::try_from(PACE.as_millis()).unwrap_or(1)));
    let (ended, ending) = tokio::sync::watch::channel(false);
    super::spawn(write(writer, pace_ms.clone(), ending));
    let applier = Applier::new(state.clone(), machine, 1, DIGEST_ENTRIES);
    let network = SimNetwork::new(id, hub.clone());
    let settings = Arc::new(settings().map_err(|error| error.to_string())?);
    let raft = Raft::new(id, settings, network, log, applier)
        .await
        .map_err(|error| error.to_string())?;
    state.announce_applied();
    super::spawn(reconcile(id, raft.clone(), state.clone(), ended.subscribe()));
    let limits = Limits {
        log_kept_entries: LOG_KEPT_ENTRIES,
        log_memory_bytes: LOG_MEMORY_BYTES,
        ..Limits::default()
    };
    let purging = purging::run(raft.clone(), state.clone(), reader.clone(), limits);
    super::spawn(until_ended(purging, ended.subscribe()));
    let life = hub.here(id, raft.clone(), state.clone(), incarnation);
    let running = Running {
        raft,
        state,
        log: reader,
        guard,
        fault,
        life,
        ended,
    };
    Ok(Member {
        disk,
        running: Some(running),
        durable: 0,
        pace_ms,
    })
}

async fn until_ended(work: impl Future<Output = ()>, mut ending: tokio::sync::watch::Receiver<bool>) {
    tokio::select! {
        biased;
        _ = ending.wait_for(|ended| *ended) => {}
        () = work => {}
    }
}

async fn write(mut writer: Writer, pace_ms: Arc<AtomicU64>, ending: tokio::sync::watch::Receiver<bool>) {
    while !*ending.borrow() {
        writer.work_off();
        tokio::time::sleep(Duration::from_millis(pace_ms.load(Relaxed))).await;
    }
}

struct Stores {
    log: LogStore,
    writer: Writer,
    state: StateStore,
    guard: Arc<Guard>,
    fault: FaultCell,
    incarnation: [u8; 16],
}

impl Stores {
    fn open(id: u64, disk: &SimDisk) -> Result<Self, OpenError> {
        let disk = Disk::Simulated(disk.clone());
        let folder = Path::new(FOLDER);
        disk.create_folder(folder)
            .map_err(OpenError::io("cannot create", folder))?;
        let identity = Identity::claim(&disk, folder, CLUSTER_ID, id)?;
        let (guard, promises) = Guard::open(&disk, folder, identity)?;
        let (guard, counters, fault) = (Arc::new(guard), Arc::new(Counters::default()), FaultCell::new());
        let (log, writer) = LogStore::prepare(
            &disk,
            folder,
            SEGMENT_BYTES,
            &promises,
            guard.clone(),
            counters.clone(),
            fault.clone(),
        )?;
        let state = StateStore::open(
            &disk,
            folder,
            CACHE_BYTES,
            &promises,
            guard.clone(),
            counters,
            fault.clone(),
        )?;
        let tables = state.applied().map_or(0, |mark| mark.seen());
        crate::verify::check_meeting(folder, log.purged(), tables)?;
        Ok(Self {
            log,
            writer,
            state,
            guard,
            fault,
            incarnation: identity.incarnation,
        })
    }
}

/// As in production, but for the times and for how often there is a checkpoint.
fn settings() -> Result<openraft::Config, openraft::ConfigError> {
    openraft::Config {
        cluster_name: "simulation".to_owned(),
        heartbeat_interval: 50,
        election_timeout_min: 200,
        election_timeout_max: 400,
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        quorum_loss_probe_interval: Some(800),
        max_payload_entries: 16,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(CHECKPOINT_ENTRIES),
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: CHECKPOINT_ENTRIES + LOG_KEPT_ENTRIES,
        install_snapshot_timeout: 1_000,
        backoff: "20ms 50ms 100ms ...200ms".to_owned(),
        ..openraft::Config::default()
    }
    .validate()
}
