//! openraft's own storage suite, on the real log and tables.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::log_store::LogStore;
use crate::state::Applier;
use crate::types::Types;

struct Builder;

impl StoreBuilder<Types, LogStore, Applier, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Applier), StorageError<Types>> {
        let folder = tempfile::tempdir().unwrap();
        let opened = super::open(folder.path()).unwrap();
        Ok((folder, opened.log, opened.applier))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_storage_suite_passes() {
    Suite::test_all(Builder).await.unwrap();
}
