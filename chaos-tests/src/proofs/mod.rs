//! Long proofs about disks: a member of the store is killed, or loses its power, again and again, and everything that it
//! had acknowledged must be there each time.
//!
//! The seed of a run fixes every choice that a run makes: lengths of lives, what is killed, what a power loss forgets.
//! When exactly a process is in which instruction depends on the machine, so a finding may need several runs of its seed.

mod cluster;
pub mod kill_loop;
pub mod nodes;
pub mod power_loss;
pub mod replacement;
mod single;
mod verdict;

pub use verdict::{Run, Verdict};

use std::time::Duration;

/// Longer than any start or election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients and members that a line of progress is printed for, in rounds.
const PROGRESS_EVERY: u64 = 25;
