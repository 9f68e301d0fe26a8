//! The store beside the disk that it writes to: entries per second, latency, restart, bytes, memory.
//!
//! The limit is a raw log: a preallocated file, one `pwrite` and one `fdatasync` for each group of as many entries as there
//! are writers, nothing else. The store's log and whole proposals are given entries one by one: each writer has one under way,
//! and what shares a sync is what they gather. The three take turns within a round, on the same disk.

mod commit;
mod groups;
mod rows;
mod table;

pub use rows::{check, load, reopen};
pub use table::markdown;

use super::series::Series;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Entries in flight.
pub const WRITERS: [usize; 5] = [1, 8, 32, 128, 512];
/// Bytes of a command, as an entry of a login has about.
pub(crate) const COMMAND_BYTES: usize = 256;

/// How much to measure, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// This program, which is started again for what needs a process of its own.
    pub program: PathBuf,
    /// Folder on the disk to measure, emptied by its owner.
    pub ground: PathBuf,
    /// Rounds; each measures everything once.
    pub rounds: usize,
    /// Time for each measurement.
    pub time: Duration,
    /// Rows of the restart figures; none leaves them out.
    pub rows: u64,
}

/// Speed and latency at one number of writers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Speed {
    /// Entries in flight.
    pub writers: usize,
    /// Entries per second.
    pub per_second: Series,
    /// Median time until an entry is on disk, in microseconds.
    pub p50_us: Series,
    /// The time that 99 of 100 entries stay below, in microseconds.
    pub p99_us: Series,
}

/// One client of a cluster of three, beside what its commits cannot be faster than.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Commit {
    /// Median round trip of as many bytes over loopback TCP, in microseconds.
    pub round_trip_us: Series,
    /// Median of `pwrite` and `fdatasync`, in microseconds.
    pub sync_us: Series,
    /// Median commit, in microseconds.
    pub p50_us: Series,
    /// The commit time that 99 of 100 stay below, in microseconds.
    pub p99_us: Series,
}

/// What a large state costs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rows {
    /// Rows of 300 bytes, keys included.
    pub rows: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Rows written per second, four in an entry.
    pub rows_per_second: f64,
    /// Bytes of the data folder.
    pub disk_bytes: u64,
    /// Memory before the first row and after the last, in KiB.
    pub resident_kib: (u64, u64),
    /// Median commit of one client with all rows there, in microseconds.
    pub commit_us: f64,
    /// After kill -9.
    pub after_kill: Restart,
    /// After an orderly stop.
    pub after_stop: Restart,
}

/// Starts on a folder that is there.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Restart {
    /// Time for the check that a node makes before it opens the folder, in milliseconds.
    pub check_ms: Series,
    /// That, and from the start of opening to the first answered read.
    pub whole_ms: Series,
    /// Memory then, in KiB.
    pub resident_kib: u64,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// The raw log.
    pub raw: Vec<Speed>,
    /// The store's log path, without consensus, entries one by one.
    pub log_path: Vec<Speed>,
    /// Proposals to a store of one member, whole.
    pub propose: Vec<Speed>,
    /// Commit latency of three members.
    pub commit: Commit,
    /// Restart, disk, memory: with few rows, and with many.
    pub rows: Option<(Rows, Rows)>,
}

/// Measures everything.
///
/// # Errors
/// The store does not open, or the disk fails.
pub async fn run(plan: &Plan) -> Result<Figures, String> {
    raft_store::install_real_fsync().map_err(|e| e.to_string())?;
    let speeds = || {
        let speed = |writers| Speed {
            writers,
            ..Speed::default()
        };
        WRITERS.map(speed).to_vec()
    };
    let mut figures = Figures {
        raw: speeds(),
        log_path: speeds(),
        propose: speeds(),
        ..Figures::default()
    };
    if plan.rows > 0 {
        super::progress(&format!("{} rows", plan.rows));
        figures.rows = Some(rows::measure(plan)?);
    }
    for round in 1..=plan.rounds {
        super::progress(&format!("round {round} of {}", plan.rounds));
        let member = groups::Member::open(plan).await?;
        for index in 0..WRITERS.len() {
            groups::raw(plan, &mut figures.raw[index])?;
            groups::log_path(plan, &mut figures.log_path[index]).await?;
            member.propose(plan, &mut figures.propose[index]).await?;
        }
        member.close().await?;
        commit::measure(plan, &mut figures.commit).await?;
    }
    Ok(figures)
}

/// A new folder on the disk that is measured.
fn folder(plan: &Plan) -> Result<tempfile::TempDir, String> {
    tempfile::tempdir_in(&plan.ground).map_err(|e| format!("{}: {e}", plan.ground.display()))
}
