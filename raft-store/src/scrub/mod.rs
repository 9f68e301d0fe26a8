//! Slowly reads again what lies on disk, for as long as the store runs: every frame of the log, every row of the tables,
//! and the file under them from the disk itself, because a database answers from its cache.
//!
//! Damage is a fault: nothing is acknowledged any more, and the folder is marked so that it is not opened again. Must
//! not hold up anybody: one small step at a time, with a pause after each.

mod medium;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::medium::Medium;
use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::limits::SCRUB_ROWS_PER_STEP;
use crate::log_store::{Extent, HEADER_BYTES, LogQueue, NotAsWritten, read_again};
use crate::metrics::Counters;
use crate::state::digest::RowsDigest;
use crate::state::{Settled, StateStore, audit, successor};
use crate::{StorageError, quarantine};

/// What ends a pass before its end.
enum Found {
    /// It does not hold what was written.
    Damage(String),
    /// It could not be read.
    Unreadable(String),
}

impl From<StorageError> for Found {
    fn from(error: StorageError) -> Self {
        if matches!(error, StorageError::Damaged { .. }) {
            Self::Damage(error.to_string())
        } else {
            Self::Unreadable(error.to_string())
        }
    }
}

impl From<NotAsWritten> for Found {
    fn from(error: NotAsWritten) -> Self {
        match error {
            NotAsWritten::Damaged(what) => Self::Damage(what),
            NotAsWritten::Unreadable(error) => Self::Unreadable(error.to_string()),
        }
    }
}

pub(crate) struct Scrubber {
    pub(crate) log: LogQueue,
    pub(crate) state: StateStore,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultCell,
    pub(crate) data_dir: PathBuf,
    /// After each step.
    pub(crate) pause: Duration,
}

impl Scrubber {
    /// Runs until the store closes or damage is found.
    pub(crate) async fn run(self) {
        let mut tables_file: Option<Medium> = None;
        loop {
            let started = Instant::now();
            if let Err(found) = self.pass(&mut tables_file).await {
                return self.end(found);
            }
            self.counters.scrub_pass_done(started.elapsed());
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn pass(&self, tables_file: &mut Option<Medium>) -> Result<(), Found> {
        self.frames().await?;
        self.rows().await?;
        let path = self.state.folder().map(|folder| folder.join("db"));
        if let Some(path) = path {
            let known = tables_file.take().filter(|known| known.is_of(&path));
            self.file(tables_file.insert(known.unwrap_or_else(|| Medium::new(path))))
                .await?;
        }
        Ok(())
    }

    /// Every frame of the log, from the disk.
    async fn frames(&self) -> Result<(), Found> {
        for extent in self.extents().await? {
            let mut at = HEADER_BYTES;
            while at < extent.end {
                tokio::time::sleep(self.pause).await;
                let asked = extent.clone();
                let read = tokio::task::spawn_blocking(move || read_again(&asked, at)).await;
                match read.map_err(|error| Found::Unreadable(error.to_string()))? {
                    Ok(read) => {
                        self.counters.scrub_frames.fetch_add(read.frames, Relaxed);
                        self.counters.scrub_bytes.fetch_add(read.bytes, Relaxed);
                        at = read.next;
                    }
                    Err(found) if self.is_there(&extent).await? => return Err(found.into()),
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    async fn extents(&self) -> Result<Vec<Extent>, Found> {
        let extents = self.log.extents().await;
        extents.map_err(|error| Found::Unreadable(error.to_string()))
    }

    /// Segments whose entries are purged are used again.
    async fn is_there(&self, extent: &Extent) -> Result<bool, Found> {
        let now = self.extents().await?;
        Ok(now.iter().any(|now| now.header == extent.header))
    }

    /// Every row of the tables on disk; all of them together if no checkpoint changed them meanwhile.
    async fn rows(&self) -> Result<(), Found> {
        let Some(before) = self.state.settled() else {
            return Ok(());
        };
        let (mut digest, mut from) = (RowsDigest::default(), Bytes::new());
        loop {
            tokio::time::sleep(self.pause).await;
            let base = before.base.clone();
            let start = from.clone();
            let read = tokio::task::spawn_blocking(move || base.page(&start, None, SCRUB_ROWS_PER_STEP)).await;
            let page = read.map_err(|error| Found::Unreadable(error.to_string()))??;
            let Some((last, _)) = page.last() else {
                break;
            };
            from = successor(last);
            page.iter().for_each(|(row, value)| digest.add(row, value));
            self.counters.scrub_rows.fetch_add(page.len() as u64, Relaxed);
        }
        self.compare(&before, &digest)
    }

    fn compare(&self, before: &Settled, digest: &RowsDigest) -> Result<(), Found> {
        let same = self
            .state
            .settled()
            .is_some_and(|after| Arc::ptr_eq(&after.base, &before.base) && after.mark == before.mark);
        if !same {
            return Ok(());
        }
        audit::check_digest(&self.data_dir, digest, &before.mark).map_err(|error| Found::Damage(error.to_string()))
    }

    /// One file, from the disk.
    async fn file(&self, file: &mut Medium) -> Result<(), Found> {
        let mut number = 0;
        file.begin();
        loop {
            tokio::time::sleep(self.pause).await;
            match file.step(number).await {
                Ok(true) => self.counters.scrub_bytes.fetch_add(medium::SEGMENT_BYTES, Relaxed),
                Ok(false) => return Ok(()),
                Err(found) => return Err(found),
            };
            number += 1;
        }
    }

    fn end(&self, found: Found) {
        self.counters.scrub_errors.fetch_add(1, Relaxed);
        match found {
            Found::Damage(what) => {
                if let Err(error) = quarantine::mark_on(&Disk::Real, Path::new(&self.data_dir), &what) {
                    tracing::error!(%error, "the damaged data folder could not be marked");
                }
                self.fault.damaged(&what);
            }
            Found::Unreadable(what) => self.fault.unreadable(&what),
        }
    }
}
