//! The first fault that makes this node unusable, told to everyone who waits for it.
//!
//! Must not be cleared: only a new process may try again.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::Fault;
use crate::codec::own::Diverged;
use crate::doubt::Doubt;

/// Where a fault is put and waited for.
#[derive(Clone, Debug)]
pub(crate) struct FaultCell {
    cell: Arc<watch::Sender<Option<Fault>>>,
    /// Where a failed disk is noted for the next process.
    doubt: Option<Arc<Doubt>>,
    /// Named in faults of the disk.
    folder: Arc<Path>,
}

impl FaultCell {
    /// For what works on this data folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            cell: Arc::new(watch::Sender::new(None)),
            doubt: None,
            folder: folder.into(),
        }
    }

    /// One that leaves a note about a failed disk to the next process.
    pub(crate) fn noting(folder: &Path, doubt: Doubt) -> Self {
        Self {
            doubt: Some(Arc::new(doubt)),
            ..Self::of(folder)
        }
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn new() -> Self {
        Self::of(Path::new("a simulated disk"))
    }

    pub(crate) fn storage(&self, error: &dyn Display) {
        self.note_doubt();
        self.set(Fault::Storage(format!("{}: {error}", self.folder.display())));
    }

    /// Leaves the note without a fault.
    pub(crate) fn note_doubt(&self) {
        if let Some(doubt) = &self.doubt {
            doubt.note();
        }
    }

    pub(crate) fn damaged(&self, what: &dyn Display) {
        self.set(Fault::Damaged(format!("{}: {what}", self.folder.display())));
    }

    pub(crate) fn consensus(&self, error: &dyn Display) {
        self.set(Fault::Consensus(error.to_string()));
    }

    pub(crate) fn restored(&self, folder: &Path, why: &str) {
        self.set(Fault::Restored {
            folder: folder.to_path_buf(),
            why: why.to_owned(),
        });
    }

    pub(crate) fn diverged(&self, diverged: &Diverged) {
        self.set(diverged.fault());
    }

    fn set(&self, fault: Fault) {
        self.cell.send_if_modified(|cell| {
            let first = cell.is_none();
            if first {
                tracing::error!(fault = %fault, "this node must stop");
                *cell = Some(fault);
            }
            first
        });
    }

    pub(crate) fn get(&self) -> Option<Fault> {
        self.cell.borrow().clone()
    }

    /// Returns when there is a fault, maybe never.
    pub(crate) async fn wait(&self) -> Fault {
        let mut receiver = self.cell.subscribe();
        loop {
            if let Some(fault) = receiver.borrow_and_update().clone() {
                return fault;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
