//! What the disk does wrong at the moment, and the words that say so. Decides nothing about bytes.

use std::str::FromStr;
use std::time::Duration;

/// Kinds of requests that can be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading bytes.
    Read,
    /// Writing bytes, creating, renaming, removing.
    Write,
    /// fsync of a file or a folder.
    Sync,
}

/// What is wrong. By default nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Power is off: every request fails with `EIO`.
    pub off: bool,
    /// Every fsync fails with `EIO`, and what it covered will never be on the disk.
    pub fail_sync: bool,
    /// Every change fails with `EROFS`.
    pub read_only: bool,
    /// Bytes in all files; more fail with `ENOSPC`.
    pub capacity: Option<u64>,
    /// Time that each read takes.
    pub read_delay: Duration,
    /// Time that each change takes.
    pub write_delay: Duration,
    /// Time that each fsync takes.
    pub sync_delay: Duration,
}

impl Faults {
    /// Time that such a request takes.
    #[must_use]
    pub fn delay(&self, work: Work) -> Duration {
        match work {
            Work::Read => self.read_delay,
            Work::Write => self.write_delay,
            Work::Sync => self.sync_delay,
        }
    }
}

/// One line on the standard input of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `off`: power goes; nothing is forgotten yet, and nothing more gets durable.
    Off,
    /// `on SEED`: forgets a random part of what was not synced, and serves again without any fault.
    On(u64),
    /// `latency read|write|sync|all MILLISECONDS`
    Latency(Option<Work>, Duration),
    /// `fail-sync on|off`
    FailSync(bool),
    /// `capacity BYTES|unlimited`
    Capacity(Option<u64>),
    /// `read-only on|off`
    ReadOnly(bool),
    /// `stats`
    Stats,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["off"] => Ok(Self::Off),
            ["on", seed] => Ok(Self::On(number(seed)?)),
            ["latency", work, millis] => Ok(Self::Latency(work_of(work)?, Duration::from_millis(number(millis)?))),
            ["fail-sync", state] => Ok(Self::FailSync(on(state)?)),
            ["capacity", "unlimited"] => Ok(Self::Capacity(None)),
            ["capacity", bytes] => Ok(Self::Capacity(Some(number(bytes)?))),
            ["read-only", state] => Ok(Self::ReadOnly(on(state)?)),
            ["stats"] => Ok(Self::Stats),
            _ => Err(format!(
                "{line:?} is no command: off, on SEED, latency read|write|sync|all MS, fail-sync on|off, capacity BYTES|unlimited, read-only on|off, stats"
            )),
        }
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn on(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{other:?} is neither on nor off")),
    }
}

fn work_of(word: &str) -> Result<Option<Work>, String> {
    match word {
        "read" => Ok(Some(Work::Read)),
        "write" => Ok(Some(Work::Write)),
        "sync" => Ok(Some(Work::Sync)),
        "all" => Ok(None),
        other => Err(format!("{other:?} is none of read, write, sync, all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands() {
        let read = |line: &str| line.parse::<Command>();
        assert_eq!(read("on 7"), Ok(Command::On(7)));
        let slow = Duration::from_millis(50);
        assert_eq!(read("latency sync 50"), Ok(Command::Latency(Some(Work::Sync), slow)));
        assert_eq!(read("latency all 50"), Ok(Command::Latency(None, slow)));
        assert_eq!(read("capacity unlimited"), Ok(Command::Capacity(None)));
        assert_eq!(read("read-only on"), Ok(Command::ReadOnly(true)));
        for wrong in ["", "on", "on x", "latency disk 5", "fail-sync maybe", "format"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
