//! The first fault that makes this node unusable, told to everyone who waits for it.
//!
//! Must not be cleared: only a new process may try again.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::codec::own::Diverged;
use crate::doubt::Doubt;
use crate::{Fault, disk};

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

    pub(crate) fn storage(&self, error: &io::Error) {
        self.note_doubt(error);
        self.set(Fault::Storage(format!("{}: {error}", self.folder.display())));
    }

    /// What is on the disk cannot be read.
    pub(crate) fn unreadable(&self, what: &str) {
        self.note_doubt(&io::Error::other(what));
        self.set(Fault::Storage(format!("{}: {what}", self.folder.display())));
    }

    /// Leaves the note without a fault, if the error can be one of an fsync.
    pub(crate) fn note_doubt(&self, error: &io::Error) {
        if let Some(doubt) = self.doubt.as_ref().filter(|_| !disk::was_not_taken(error)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use std::fs;

    /// What an fsync may have left in the kernel's memory only is written again by the next start.
    #[test]
    fn an_error_that_can_be_one_of_an_fsync_leaves_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let doubted = |act: &dyn Fn(&FaultCell)| {
            let doubt = Doubt::settle(&Disk::Real, folder.path()).unwrap();
            act(&FaultCell::noting(folder.path(), doubt));
            fs::read(folder.path().join("doubt")).unwrap() == b"!"
        };
        for code in [libc::EIO, libc::ENOSPC, libc::EROFS] {
            let error = io::Error::from_raw_os_error(code);
            assert!(doubted(&|fault| fault.storage(&error)), "{error}");
            assert!(doubted(&|fault| fault.note_doubt(&error)), "{error}");
        }
        assert!(doubted(&|fault| fault.unreadable("a row")));
        assert!(!doubted(&|fault| fault.consensus(&"it ended")));
        assert!(!doubted(&|fault| fault.damaged(&"a row")));
        let full = Disk::Real.open_file(Path::new("/dev/full")).unwrap();
        let refused = full.write_all_at(b"x", 0).unwrap_err();
        assert!(!doubted(&|fault| fault.storage(&refused)), "{refused}");
    }
}
