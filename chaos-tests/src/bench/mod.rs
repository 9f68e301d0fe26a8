//! Measurements beside a peer or a physical limit, in the same run and interleaved. What is published is ratios.
//!
//! Nothing here decides whether a test passes: a machine may be slow.

pub mod failover;
pub mod lb;
pub mod process;
pub mod series;
pub mod store;

use std::path::{Path, PathBuf};

/// How much to measure, and where the results go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// This program, which is started again where load comes from a process of its own.
    pub program: PathBuf,
    /// How often each job is done with each program.
    pub rounds: usize,
    /// How long one job takes, about, in seconds.
    pub seconds: u64,
    /// Folder for the programs' files, emptied by its owner.
    pub work: PathBuf,
    /// Folder of the configurations that are measured.
    pub configs: PathBuf,
    /// The load balancer's program, built with the release profile.
    pub lb: PathBuf,
    /// Its library with nothing of ours in it, built likewise.
    pub bare: PathBuf,
}

/// Tells how far a run is, on standard error.
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

/// Writes a text file, or says which one could not be written.
///
/// # Errors
/// What the system said.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
