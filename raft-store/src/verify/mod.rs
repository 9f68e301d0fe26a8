//! Reads everything in a data folder and says whether it may be used: every frame of the log, every row of the tables,
//! the small files, and whether they fit together and hold what this member has promised.
//!
//! It is meant for a process of its own (`tfauth-node verify`): sled may panic, abort, hang or take all memory over a
//! damaged file, and whoever started that process takes such an end for damage. Must not repair or remove anything,
//! except for a segment of the log that was never finished, and for what sled does whenever it opens a database.

mod due;
mod manifest;
mod room;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

pub use self::due::{Depth, due};
pub(crate) use self::manifest::write as write_manifest;
use crate::disk::{Disk, FolderLock};
use crate::guard::{self, Promises};
use crate::identity::{Identity, hex};
use crate::limits::{LOCK_WAIT_MAX, VERIFY_CACHE_BYTES};
use crate::log_store::{self, LogFound};
use crate::quarantine;
use crate::state::audit::{self, TablesFound};
use crate::{OpenError, fsync};

/// What a folder that may be used holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The member's id; `None` for a folder that nobody has used yet.
    pub node_id: Option<u64>,
    /// The cluster, in hex.
    pub cluster_id: String,
    /// The folder's own identity, in hex.
    pub incarnation: String,
    /// The newest vote.
    pub vote: Option<String>,
    /// First entry of the log that is still there.
    pub log_first: Option<u64>,
    /// Last entry of the log, purged or not.
    pub log_last: Option<u64>,
    /// Last entry that the node may have told anybody that it has. What lies behind it was still being written.
    pub log_promised: Option<u64>,
    /// Entries in the log.
    pub log_entries: u64,
    /// Entries that the tables on disk contain, counted from the start of the log.
    pub tables_entries: u64,
    /// Rows in the tables on disk.
    pub tables_rows: u64,
    /// Whether a checkpoint was interrupted; opening will finish it.
    pub checkpoint_to_finish: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What is to be done with a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be used.
    Sound(Box<Report>),
    /// It must not be used again: it is damaged, or older than what its node has promised.
    Quarantine(String),
    /// Nothing can be said now, for a reason that is not damage: it is in use, or the disk is full or read-only.
    Refused(String),
}

impl Verdict {
    /// What opening or checking a folder came to.
    #[must_use]
    pub fn of(result: Result<Report, OpenError>) -> Self {
        match result {
            Ok(report) => Self::Sound(Box::new(report)),
            Err(error) if is_damage(&error) => Self::Quarantine(error.to_string()),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// Whether an error says that the folder must not be used again. What an operator can end without touching the folder
/// (no room, no rights, another process) is none.
#[must_use]
pub fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::Quarantine { .. } => true,
        OpenError::Io { source, .. } => !is_circumstance(source),
        OpenError::Burned { .. }
        | OpenError::NoIdentity(_)
        | OpenError::JoinRefused(_)
        | OpenError::JoinUnanswered { .. }
        | OpenError::ClusterVersion { .. }
        | OpenError::Config(_)
        | OpenError::Fsync(_)
        | OpenError::Locked(_)
        | OpenError::Outdated(_)
        | OpenError::WrongCluster { .. }
        | OpenError::WrongNode { .. }
        | OpenError::Listen { .. }
        | OpenError::Consensus(_) => false,
    }
}

fn is_circumstance(error: &io::Error) -> bool {
    let limits = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EINTR];
    let circumstances = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::NotFound,
        io::ErrorKind::NotADirectory,
    ];
    circumstances.contains(&error.kind()) || error.raw_os_error().is_some_and(|code| limits.contains(&code))
}

/// Reads everything in the folder, and notes that it was sound at `now`.
///
/// # Errors
/// [`is_damage`] tells whether the folder is damaged or could not be looked at.
pub fn verify(folder: &Path, now: SystemTime) -> Result<Report, OpenError> {
    let started = Instant::now();
    let disk = Disk::Real;
    fsync::require_real_fsync()?;
    if !folder.is_dir() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        return Err(OpenError::io("there is no folder", folder)(missing));
    }
    let _lock = take_lock(folder)?;
    quarantine::refuse_marked(&disk, folder)?;
    room::check(&disk, folder)?;
    let Some(identity) = Identity::find(&disk, folder)? else {
        return Ok(Report::default());
    };
    let found = guard::peek(&disk, folder, identity)?;
    let (log, tables) = contents(&disk, folder, identity, &found.promises)?;
    due::note(&disk, folder, now).map_err(OpenError::io("cannot write into", folder))?;
    Ok(Report {
        node_id: Some(identity.node_id),
        cluster_id: hex(&identity.cluster_id),
        incarnation: hex(&identity.incarnation),
        vote: log.vote.map(|vote| vote.to_string()),
        log_first: (log.entries > 0).then(|| log.purged.map_or(0, |id| id.index + 1)),
        log_last: log.last.map(|id| id.index),
        log_promised: found.promises.log.map(|id| id.index),
        log_entries: log.entries,
        tables_entries: tables.mark.seen(),
        tables_rows: tables.mark.digest.rows,
        checkpoint_to_finish: tables.redo,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Log and tables, and whether they meet.
fn contents(
    disk: &Disk,
    folder: &Path,
    identity: Identity,
    promises: &Promises,
) -> Result<(LogFound, TablesFound), OpenError> {
    let owner = identity.incarnation;
    let log = log_store::audit(disk, folder, promises, owner)?;
    let tables = audit::audit(disk, folder, VERIFY_CACHE_BYTES, promises, owner)?;
    check_meeting(folder, log.purged.map_or(0, |id| id.index + 1), tables.mark.seen())?;
    Ok((log, tables))
}

/// Entries are purged from the log only when the tables on disk contain them.
pub(crate) fn check_meeting(folder: &Path, purged: u64, tables: u64) -> Result<(), OpenError> {
    if purged <= tables {
        return Ok(());
    }
    let why =
        format!("its tables contain {tables} entries, but its log begins with entry {purged}: those between are gone");
    Err(OpenError::quarantine(folder, why))
}

/// Whoever is just ending may hold the lock for a moment longer.
fn take_lock(folder: &Path) -> Result<FolderLock, OpenError> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match FolderLock::take(folder) {
            Err(OpenError::Locked(_)) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
}
