//! What a node does about its data folder before it opens it, and when it must not be used.
//!
//! Must not delete anything.

use super::ask::ask;
use crate::clock;
use crate::limits::QUARANTINES_KEPT_MAX;
use raft_store::quarantine::{Burned, burned, quarantine};
use raft_store::verify::{Depth, Verdict, due};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What to do with a data folder that must not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDamage {
    /// Refuse to start, and touch nothing: a person decides.
    #[default]
    Stop,
    /// Move its content aside and join the cluster as a new node.
    Rejoin,
}

/// Tells the check to end when the one who waits for it is gone.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Whether the folder may be opened. Reads all of it, in another process, unless it was closed in order and nothing
/// touched it since. Dropped, it ends that process.
pub async fn check(folder: &Path) -> Verdict {
    let why = match due(folder, clock::wall()) {
        Depth::Quick => return Verdict::Sound(Box::default()),
        Depth::Full(why) => why,
    };
    tracing::info!(folder = %folder.display(), why, "checking the whole data folder");
    let cancelled = Arc::new(AtomicBool::new(false));
    let _cancel = CancelOnDrop(Arc::clone(&cancelled));
    let owned = folder.to_path_buf();
    let asked = tokio::task::spawn_blocking(move || ask(&owned, &cancelled)).await;
    let verdict = asked.unwrap_or_else(|error| Verdict::Refused(format!("the check of the data folder: {error}")));
    match &verdict {
        Verdict::Sound(report) => tracing::info!(
            took_ms = report.took_ms,
            log_entries = report.log_entries,
            tables_rows = report.tables_rows,
            "the data folder is sound"
        ),
        Verdict::Quarantine(why) => {
            tracing::error!(folder = %folder.display(), why, "the data folder must not be used")
        }
        Verdict::Refused(why) => tracing::error!(folder = %folder.display(), why, "the data folder cannot be checked"),
    }
    verdict
}

/// Moves the content aside, so that the machine can join as a new node; the id that must not be used again.
///
/// # Errors
/// Why it was not done.
pub fn take_out_of_use(folder: &Path, why: &str) -> Result<Burned, String> {
    let known = burned(folder).map_err(|error| error.to_string())?;
    if known.len() >= QUARANTINES_KEPT_MAX {
        return Err(format!(
            "{} damaged contents lie in {} already: this disk should not be trusted any more; replace it, or remove them by hand",
            known.len(),
            folder.display()
        ));
    }
    quarantine(folder, &clock::label(), why).map_err(|error| error.to_string())
}
