//! The disk with its faults, shared by the threads that answer the kernel and the one that takes commands.

use super::disk::Disk;
use super::faults::{Command, Faults, Work};
use crate::entropy::Dice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Disk, faults and counters.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) faults: Faults,
    reads: u64,
    writes: u64,
    syncs: u64,
}

impl State {
    pub(super) fn count(&mut self, work: Work) {
        match work {
            Work::Read => self.reads += 1,
            Work::Write => self.writes += 1,
            Work::Sync => self.syncs += 1,
        }
    }
}

/// The state behind a lock that is never held while something waits.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.lock())
    }

    pub(super) fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// Does what a line says; the answer is one line.
    pub(super) fn obey(&self, line: &str) -> String {
        match line.parse() {
            Ok(command) => format!("ok {}", self.with(|state| state.obey(command))),
            Err(why) => format!("error {why}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn obey(&mut self, command: Command) -> String {
        match command {
            Command::Off => self.faults.off = true,
            Command::On(seed) => {
                let ruins = self.disk.lose_power(&mut Dice::new(seed));
                self.faults = Faults::default();
                return format!(
                    "changes-at-risk {} names-at-risk {} names-lost {}",
                    ruins.changes_at_risk, ruins.names_at_risk, ruins.names_lost
                );
            }
            Command::Latency(work, delay) => {
                let kinds = work.map_or_else(|| vec![Work::Read, Work::Write, Work::Sync], |work| vec![work]);
                for kind in kinds {
                    match kind {
                        Work::Read => self.faults.read_delay = delay,
                        Work::Write => self.faults.write_delay = delay,
                        Work::Sync => self.faults.sync_delay = delay,
                    }
                }
            }
            Command::FailSync(fail) => self.faults.fail_sync = fail,
            Command::Capacity(bytes) => self.faults.capacity = bytes,
            Command::ReadOnly(read_only) => self.faults.read_only = read_only,
            Command::Stats => {
                return format!(
                    "used-bytes {} reads {} writes {} syncs {}",
                    self.disk.used_bytes(),
                    self.reads,
                    self.writes,
                    self.syncs
                );
            }
        }
        String::new()
    }
}
