//! Opens everything in the data folder, on a thread that may wait for the disk.
//!
//! Must not talk to anybody: a new life of the folder is on disk before another member hears of it.

use std::sync::Arc;

use crate::disk::Disk;
use crate::doubt::Doubt;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::lives::Lives;
use crate::log_store::LogStore;
use crate::metrics::Counters;
use crate::state::StateStore;
use crate::{Config, OpenError, verify};

/// What lies in the data folder.
pub(super) struct Data {
    pub(super) log: LogStore,
    pub(super) state: StateStore,
    pub(super) counters: Arc<Counters>,
    pub(super) fault: FaultCell,
    pub(super) lives: Arc<Lives>,
}

impl Data {
    pub(super) async fn open(config: &Config, disk: Disk, identity: Identity) -> Result<Self, OpenError> {
        let (folder, limits) = (config.data_dir.clone(), config.limits);
        let opening = tokio::task::spawn_blocking(move || {
            let fault = FaultCell::noting(&folder, Doubt::settle(&disk, &folder)?);
            let (guard, promises) = Guard::open(&disk, &folder, identity)?;
            let guard = Arc::new(guard);
            let counters = Arc::new(Counters::default());
            let log = LogStore::open(
                &disk,
                &folder,
                limits.log_segment_bytes,
                &promises,
                guard.clone(),
                counters.clone(),
                fault.clone(),
            )?;
            let state = StateStore::open(
                &disk,
                &folder,
                limits.state_cache_bytes,
                &promises,
                guard.clone(),
                counters.clone(),
                fault.clone(),
            )?;
            let tables = state.applied().map_or(0, |mark| mark.seen());
            verify::check_meeting(&folder, log.purged(), tables)?;
            let lives = Arc::new(Lives::new(guard, tables.max(log.end())));
            Ok(Self {
                log,
                state,
                counters,
                fault,
                lives,
            })
        });
        opening.await.map_err(|error| OpenError::Consensus(error.to_string()))?
    }
}
