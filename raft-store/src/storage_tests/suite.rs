//! openraft's own storage suite, on the real log and tables: on a real disk and on a simulated one, each also with flushes
//! that take their time.

use std::path::Path;
use std::time::Duration;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::disk::sim::SimDisk;
use crate::disk::{Disk, delay};
use crate::log_store::LogStore;
use crate::state::Applier;
use crate::types::Types;

/// Of one delayed flush.
const LONGEST: Duration = Duration::from_millis(8);

struct OnDisk;

impl StoreBuilder<Types, LogStore, Applier, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, Applier), StorageError<Types>> {
        let folder = tempfile::tempdir().unwrap();
        let opened = super::open(folder.path()).unwrap();
        Ok((folder, opened.log, opened.applier))
    }
}

/// Each flush takes up to this long.
struct Simulated(Duration);

impl StoreBuilder<Types, LogStore, Applier, ()> for Simulated {
    async fn build(&self) -> Result<((), LogStore, Applier), StorageError<Types>> {
        let disk = Disk::Simulated(SimDisk::new(1).with_slow_flushes(self.0, 1));
        let opened = super::open_on(&disk, Path::new("/data")).unwrap();
        Ok(((), opened.log, opened.applier))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes() {
    Suite::test_all(OnDisk).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes_with_delayed_flushes() {
    delay::delay_flushes(LONGEST);
    Suite::test_all(OnDisk).await.unwrap();
    assert!(delay::delayed() > 50, "{} flushes", delay::delayed());
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes_on_the_simulated_disk() {
    Suite::test_all(Simulated(Duration::ZERO)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes_on_the_simulated_disk_with_delayed_flushes() {
    Suite::test_all(Simulated(LONGEST)).await.unwrap();
}
