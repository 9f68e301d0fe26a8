//! What can be wrong with a disk, whose disk it is, and what a node has to say about it. Does nothing.

use serde::Serialize;
use std::fmt;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Every fsync fails with `EIO`.
    FailingSync,
    /// Files cannot grow: `ENOSPC`.
    Full,
    /// Every change fails with `EROFS`.
    ReadOnly,
    /// Each fsync takes so long, and all else a twentieth of it.
    Slow {
        /// In milliseconds.
        millis: u64,
    },
    /// The power goes, and with it a random part of what was not synced.
    PowerLoss,
}

/// Whose disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// The leader's.
    Leader,
    /// A follower's.
    Follower,
    /// Those of all nodes.
    Everybody,
}

/// One of them with the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// What.
    pub trouble: Trouble,
    /// Whose.
    pub victim: Victim,
}

impl Case {
    /// Each kind once, for every victim that it makes sense for: nobody serves when no disk of three takes anything.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        let slow = |millis| Trouble::Slow { millis };
        for victim in [Victim::Follower, Victim::Leader] {
            for trouble in [
                Trouble::FailingSync,
                Trouble::Full,
                Trouble::ReadOnly,
                slow(50),
                slow(1000),
                slow(5000),
                Trouble::PowerLoss,
            ] {
                cases.push(Self { trouble, victim });
            }
        }
        for trouble in [slow(50), Trouble::PowerLoss] {
            let victim = Victim::Everybody;
            cases.push(Self { trouble, victim });
        }
        cases
    }
}

impl Trouble {
    /// Words that must be in what a running node says before it stops; `None` for what it has to live through.
    #[must_use]
    pub fn error(self) -> Option<&'static str> {
        match self {
            Self::FailingSync => Some("os error 5"),
            Self::Full => Some("os error 28"),
            Self::ReadOnly => Some("os error 30"),
            Self::Slow { .. } | Self::PowerLoss => None,
        }
    }

    /// Words and exit code of a node that is started while it lasts; `None` where it is not tried.
    #[must_use]
    pub fn refusal(self) -> Option<(&'static str, i32)> {
        match self {
            Self::Full | Self::ReadOnly => Some(("the disk takes nothing (make room, or make it writable)", 2)),
            Self::FailingSync | Self::Slow { .. } | Self::PowerLoss => None,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.victim {
            Victim::Leader => "the disk of the leader",
            Victim::Follower => "the disk of a follower",
            Victim::Everybody => "the disks of all nodes",
        };
        match self.trouble {
            Trouble::FailingSync => write!(f, "{whose}: every fsync fails"),
            Trouble::Full => write!(f, "{whose}: full"),
            Trouble::ReadOnly => write!(f, "{whose}: read-only"),
            Trouble::Slow { millis } => write!(f, "{whose}: {millis} ms for each fsync"),
            Trouble::PowerLoss => write!(f, "{whose}: loss of power"),
        }
    }
}
