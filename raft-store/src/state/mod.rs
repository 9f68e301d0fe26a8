//! The tables: rows in memory above tables on disk, consistent views, checkpoints, snapshots.
//!
//! Applying an entry never writes to the disk; the log holds it already. Must not lose track of which entry the tables
//! on disk correspond to: their mark is written with them.

pub(crate) mod audit;
mod base;
mod checkpoint;
mod current;
pub(crate) mod digest;
mod level;
mod machine;
mod opening;
mod pace;
mod redo;
mod registry;
mod staged;
mod view;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use self::base::{Base, Mark};
pub(crate) use self::checkpoint::CheckpointWait;
use self::checkpoint::Frozen;
pub(crate) use self::digest::RowsDigest;
use self::level::Level;
pub(crate) use self::machine::Applier;
use self::opening::{check_checkpoint, finish_checkpoint, remove_other_tables};
pub(crate) use self::pace::Pace;
use self::registry::Registry;
pub(crate) use self::staged::{Staged, encode_rows};
pub use self::view::View;
use self::view::ViewLevels;
pub(crate) use self::view::successor;
use crate::OpenError;
use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::guard::{Guard, Promises};
use crate::limits::DIGESTS_KEPT_MAX;
use crate::metrics::Counters;
use crate::types::SnapshotMeta;

/// A snapshot: of this member's tables, or one that just arrived.
pub(crate) enum SnapshotData {
    View(View),
    Staged(Box<Staged>),
}

/// Tables on disk that no checkpoint is changing, and their mark.
pub(crate) struct Settled {
    pub(crate) base: Arc<Base>,
    pub(crate) mark: Mark,
}

/// The tables of this member; cloning shares them.
#[derive(Clone)]
pub(crate) struct StateStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Disk,
    folder: PathBuf,
    cache_bytes: u64,
    levels: RwLock<Option<Levels>>,
    registry: Arc<Registry>,
    next_number: AtomicU64,
    seen: watch::Sender<u64>,
    /// Digests at fixed entries, for the leader to compare.
    noted: parking_lot::Mutex<BTreeMap<u64, RowsDigest>>,
    checkpoint_wait: parking_lot::Mutex<CheckpointWait>,
    /// How often the store's own rows were changed or exchanged.
    own_changes: AtomicU64,
    guard: Arc<Guard>,
    counters: Arc<Counters>,
    fault: FaultCell,
}

/// What the tables consist of at one moment.
struct Levels {
    active: Arc<Level>,
    frozen: Option<Frozen>,
    base: Arc<Base>,
    /// Up to where the base goes.
    checkpoint: Mark,
    /// Up to where everything together goes.
    applied: Mark,
}

impl StateStore {
    /// Opens the tables of a folder, finishing a checkpoint that was interrupted.
    pub(crate) fn open(
        disk: &Disk,
        data_dir: &Path,
        cache_bytes: u64,
        promises: &Promises,
        guard: Arc<Guard>,
        counters: Arc<Counters>,
        fault: FaultCell,
    ) -> Result<Self, OpenError> {
        let folder = data_dir.join("state");
        disk.create_folder(&folder)
            .map_err(OpenError::io("cannot create", &folder))?;
        // A pointer that a killed process wrote may not be durable yet; what it replaced must not go before.
        disk.sync_folder(&folder)
            .map_err(OpenError::io("cannot sync", &folder))?;
        let found = current::find(disk, &folder, promises)?;
        let number = found.number;
        let base = Base::open(disk, &folder.join(number.to_string()), cache_bytes)?;
        base.claim(guard.owner())?;
        finish_checkpoint(&base)?;
        let mark = base.mark()?;
        check_checkpoint(data_dir, &mark, promises)?;
        if !found.written {
            current::write(disk, &folder, number)
                .map_err(OpenError::io("cannot write the file CURRENT in", &folder))?;
        }
        remove_other_tables(disk, &folder, number)?;
        tracing::info!(seen = mark.seen(), "tables opened");
        let seen = watch::Sender::new(mark.seen());
        let levels = Levels {
            active: Arc::default(),
            frozen: None,
            base: Arc::new(base),
            checkpoint: mark.clone(),
            applied: mark,
        };
        let inner = Inner {
            disk: disk.clone(),
            folder,
            cache_bytes,
            levels: RwLock::new(Some(levels)),
            registry: Arc::default(),
            next_number: AtomicU64::new(number + 1),
            seen,
            noted: parking_lot::Mutex::default(),
            checkpoint_wait: parking_lot::Mutex::default(),
            own_changes: AtomicU64::new(1),
            guard,
            counters,
            fault,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A view of everything applied so far.
    pub(crate) fn view(&self) -> View {
        let levels = self.inner.levels.read();
        View::new(
            levels
                .as_ref()
                .map(|levels| self.view_levels(levels, levels.applied.seen())),
        )
    }

    /// Everything that is there, for a reader that has seen so many entries.
    fn view_levels(&self, levels: &Levels, seen: u64) -> ViewLevels {
        ViewLevels {
            active: levels.active.clone(),
            frozen: levels.frozen.as_ref().map(|frozen| frozen.level.clone()),
            base: levels.base.clone(),
            seen,
            rows: levels.applied.digest.rows,
            registry: self.inner.registry.clone(),
        }
    }

    /// The newest checkpoint, or the one that is being written.
    fn current_snapshot(&self) -> Option<(SnapshotMeta, View)> {
        let guard = self.inner.levels.read();
        let levels = guard.as_ref()?;
        let mark = levels.frozen.as_ref().map_or(&levels.checkpoint, |frozen| &frozen.mark);
        mark.log_id?;
        // Without the active rows: a snapshot is as of its mark.
        let view = ViewLevels {
            active: Arc::default(),
            rows: mark.digest.rows,
            ..self.view_levels(levels, mark.seen())
        };
        Some((staged::meta(mark), View::new(Some(view))))
    }

    /// How many entries are applied, and its changes.
    pub(crate) fn seen(&self) -> watch::Receiver<u64> {
        self.inner.seen.subscribe()
    }

    /// The digests noted last, by entry.
    pub(crate) fn digests(&self) -> BTreeMap<u64, RowsDigest> {
        self.inner.noted.lock().clone()
    }

    /// Remembers the digest of the tables as of an entry.
    fn note_digest(&self, index: u64, digest: RowsDigest) {
        let mut noted = self.inner.noted.lock();
        noted.insert(index, digest);
        while noted.len() > DIGESTS_KEPT_MAX {
            noted.pop_first();
        }
    }

    /// Changes whenever the store's own rows did.
    pub(crate) fn own_changes(&self) -> u64 {
        self.inner.own_changes.load(SeqCst)
    }

    fn own_rows_changed(&self) {
        self.inner.own_changes.fetch_add(1, SeqCst);
    }

    /// Tells waiters what was applied while opening.
    pub(crate) fn announce_applied(&self) {
        if let Some(applied) = self.applied() {
            self.inner.seen.send_replace(applied.seen());
        }
    }

    /// Rows in memory, and bytes of the commands that made them.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let guard = self.inner.levels.read();
        guard.as_ref().map_or((0, 0), |levels| {
            let frozen = levels.frozen.as_ref().map_or(0, |frozen| frozen.level.len());
            (
                (levels.active.len() + frozen) as u64,
                levels.active.command_bytes.load(SeqCst),
            )
        })
    }

    /// Up to where entries are applied, with the digest of all rows as of then.
    pub(crate) fn applied(&self) -> Option<Mark> {
        let guard = self.inner.levels.read();
        guard.as_ref().map(|levels| levels.applied.clone())
    }

    /// The tables on disk, unless a checkpoint is changing them.
    pub(crate) fn settled(&self) -> Option<Settled> {
        let guard = self.inner.levels.read();
        let levels = guard.as_ref().filter(|levels| levels.frozen.is_none())?;
        Some(Settled {
            base: levels.base.clone(),
            mark: levels.checkpoint.clone(),
        })
    }

    /// Where the tables on disk are.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let guard = self.inner.levels.read();
        guard.as_ref().map(|levels| levels.base.folder().join("base"))
    }

    /// Number of entries applied but in no checkpoint.
    pub(crate) fn unsaved_entries(&self) -> u64 {
        let guard = self.inner.levels.read();
        guard.as_ref().map_or(0, |levels| {
            levels.applied.seen().saturating_sub(levels.checkpoint.seen())
        })
    }

    /// How long a checkpoint waits for readers, and for how many bytes of commands.
    pub(crate) fn set_checkpoint_wait(&self, wait: CheckpointWait) {
        *self.inner.checkpoint_wait.lock() = wait;
    }

    fn checkpoint_wait(&self) -> CheckpointWait {
        *self.inner.checkpoint_wait.lock()
    }

    /// What holds commands back while a checkpoint waits.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        self.inner.registry.pace.clone()
    }

    /// Starts to collect a snapshot from a leader.
    pub(crate) fn stage(&self, meta: SnapshotMeta) -> Result<Staged, OpenError> {
        let number = self.inner.next_number.fetch_add(1, SeqCst);
        let folder = self.inner.folder.join(number.to_string());
        let base = Base::open(&self.inner.disk, &folder, self.inner.cache_bytes)?;
        base.claim(self.guard().owner())?;
        #[cfg(feature = "mutations")]
        self.merge_own_rows(&base);
        Ok(Staged::new(number, base, meta))
    }

    /// Freezes the rows in memory as of the last applied entry.
    fn freeze(&self) -> Option<Frozen> {
        let mut guard = self.inner.levels.write();
        let levels = guard.as_mut()?;
        if levels.frozen.is_none() && levels.applied != levels.checkpoint {
            let level = std::mem::take(&mut levels.active);
            levels.frozen = Some(Frozen {
                level,
                mark: levels.applied.clone(),
                base: levels.base.clone(),
            });
        }
        levels.frozen.clone()
    }

    /// The frozen rows are on disk; false if the tables were exchanged meanwhile.
    fn checkpoint_written(&self, written: &Frozen) -> bool {
        let mut guard = self.inner.levels.write();
        let Some(levels) = guard.as_mut() else {
            return false;
        };
        let current = levels
            .frozen
            .as_ref()
            .is_some_and(|frozen| Arc::ptr_eq(&frozen.level, &written.level));
        if current {
            levels.frozen = None;
            levels.checkpoint = written.mark.clone();
        }
        current
    }

    /// Makes a complete snapshot the tables of this member.
    fn switch_to(&self, mut staged: Box<Staged>) -> io::Result<()> {
        let mark = staged.mark();
        let Some(base) = staged.take_base() else {
            return Err(io::Error::other("the snapshot was used already"));
        };
        current::write(&self.inner.disk, &self.inner.folder, staged.number)?;
        let seen = mark.seen();
        let fresh = Levels {
            active: Arc::default(),
            frozen: None,
            base: Arc::new(base),
            checkpoint: mark.clone(),
            applied: mark,
        };
        if let Some(old) = self.inner.levels.write().replace(fresh) {
            old.base.retire();
        }
        self.inner.counters.snapshots_installed.fetch_add(1, SeqCst);
        self.inner.seen.send_replace(seen);
        self.own_rows_changed();
        self.inner.guard.update(|promises| promises.checkpoint = seen)?;
        tracing::info!(seen, bytes = staged.bytes(), "snapshot installed");
        Ok(())
    }

    /// Closes the tables once the last view is gone, waiting for it a moment.
    pub(crate) fn close(&self) {
        let levels = self.inner.levels.write().take();
        let Some(levels) = levels else {
            return;
        };
        let base = Arc::downgrade(&levels.base);
        drop(levels);
        for _ in 0..100 {
            if base.strong_count() == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::warn!("views of the tables are still held; the data folder stays in use");
    }

    fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    fn fault(&self) -> &FaultCell {
        &self.inner.fault
    }
}

#[cfg(feature = "mutations")]
impl StateStore {
    /// A known bug: a snapshot does not take the place of the rows that are there, it is written over them.
    fn merge_own_rows(&self, base: &Base) {
        if mutations::on(mutations::Mutation::MergeInstall) {
            for (row, value) in self.view().page(b"", usize::MAX).unwrap_or_default() {
                let _merged = base.write(&row, Some(&value));
            }
        }
    }
}
