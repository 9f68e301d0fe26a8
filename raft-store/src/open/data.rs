//! Opens everything in the data folder, on a thread that may wait for the disk.
//!
//! Must not talk to anybody: a new life of the folder is on disk before another member hears of it.

use std::path::Path;
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
use crate::{Config, Limits, OpenError, verify};

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
            noting(&fault, Self::read(&disk, &folder, limits, identity, &fault))
        });
        opening.await.map_err(|error| OpenError::Consensus(error.to_string()))?
    }

    fn read(
        disk: &Disk,
        folder: &Path,
        limits: Limits,
        identity: Identity,
        fault: &FaultCell,
    ) -> Result<Self, OpenError> {
        let (guard, promises) = Guard::open(disk, folder, identity)?;
        let guard = Arc::new(guard);
        let counters = Arc::new(Counters::default());
        let log = LogStore::open(
            disk,
            folder,
            limits.log_segment_bytes,
            &promises,
            guard.clone(),
            counters.clone(),
            fault.clone(),
        )?;
        let state = StateStore::open(
            disk,
            folder,
            limits.state_cache_bytes,
            &promises,
            guard.clone(),
            counters.clone(),
            fault.clone(),
        )?;
        let tables = state.applied().map_or(0, |mark| mark.seen());
        verify::check_meeting(folder, log.purged(), tables)?;
        let lives = Arc::new(Lives::new(guard, tables.max(log.end())));
        Ok(Self {
            log,
            state,
            counters,
            fault: fault.clone(),
            lives,
        })
    }
}

/// Opening makes durable what it finds: an fsync of that may be what failed.
fn noting(fault: &FaultCell, opened: Result<Data, OpenError>) -> Result<Data, OpenError> {
    if let Err(OpenError::Io { source, .. }) = &opened {
        fault.note_doubt(source);
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// An error of the system while opening, here of a folder where a file should be, may be one of an fsync.
    #[test]
    fn what_was_read_before_the_disk_failed_is_doubted_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let identity = Identity::claim(&Disk::Real, path, [1; 16], 1).unwrap();
        let doubt = || fs::read(path.join("doubt")).unwrap();
        let open = || {
            let fault = FaultCell::noting(path, Doubt::settle(&Disk::Real, path).unwrap());
            noting(
                &fault,
                Data::read(&Disk::Real, path, Limits::default(), identity, &fault),
            )
        };
        drop(open().unwrap());
        assert_eq!(doubt(), b"-");
        fs::remove_dir_all(path.join("state")).unwrap();
        fs::write(path.join("state"), b"").unwrap();
        let Err(error) = open() else { panic!("it opened") };
        assert!(matches!(error, OpenError::Io { .. }), "{error}");
        assert_eq!(doubt(), b"!");
    }
}
