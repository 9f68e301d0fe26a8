//! Which faults go together: the table of scenarios. Adding one is one line.

use crate::nemeses::{self, Need, Nemesis};
use std::time::Duration;

/// A run of its own.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// How many nodes, if nothing else is wished.
    pub nodes: u16,
    /// What strikes, one after the other.
    pub nemeses: &'static [&'static str],
    /// Longest time without a success for users, where a majority and a load balancer are always left.
    pub gap: Option<Gap>,
}

/// How long users may be without a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// An election: the leader is struck.
    Election,
    /// A request's deadline: somebody has to notice silence first.
    Silence,
}

impl Gap {
    /// As a time.
    #[must_use]
    pub fn bound(self) -> Duration {
        match self {
            Self::Election => Duration::from_secs(3),
            Self::Silence => Duration::from_secs(5),
        }
    }
}

const fn row(name: &'static str, nodes: u16, nemeses: &'static [&'static str], gap: Option<Gap>) -> Scenario {
    Scenario {
        name,
        nodes,
        nemeses,
        gap,
    }
}

const ELECTION: Option<Gap> = Some(Gap::Election);
const SILENCE: Option<Gap> = Some(Gap::Silence);

/// The one that runs in CI.
pub const SMOKE: &str = "smoke";

/// Every scenario.
pub const ALL: &[Scenario] = &[
    row("calm", 3, &[], None),
    row(SMOKE, 3, &["kill-leader", "isolate-leader", "pause-follower"], SILENCE),
    row("kill-leader", 3, &["kill-leader"], ELECTION),
    row("kill-follower", 3, &["kill-follower"], ELECTION),
    row("kill-two-of-five", 5, &["kill-minority"], ELECTION),
    row("kill-all", 3, &["kill-all"], None),
    row("kill-during-open", 3, &["kill-during-open"], ELECTION),
    row("pause-leader", 3, &["pause-leader"], SILENCE),
    row("pause-follower", 3, &["pause-follower"], SILENCE),
    row("pause-all", 3, &["pause-all"], None),
    row("pause-flicker", 3, &["pause-flicker"], None),
    row("isolate-leader", 3, &["isolate-leader"], SILENCE),
    row("vanish-leader", 3, &["vanish-leader"], SILENCE),
    row("isolate-follower", 3, &["isolate-follower"], SILENCE),
    row("halves-of-five", 5, &["halves"], SILENCE),
    row("deaf-leader", 3, &["deaf-leader"], SILENCE),
    row("mute-leader", 3, &["mute-leader"], SILENCE),
    row("bridge-of-five", 5, &["bridge"], SILENCE),
    row("flapping", 3, &["flapping"], None),
    row("slow-heal", 3, &["slow-heal"], SILENCE),
    row("lb-dies", 3, &["kill-lb", "restart-lb"], ELECTION),
    row("lb-stands-still", 3, &["pause-lb"], None),
    row("lb-cut-from-leader", 3, &["cut-lb-from-leader"], SILENCE),
    row("rolling-restart", 3, &["rolling-restart"], ELECTION),
    row("delay", 3, &["delay", "delay-one"], SILENCE),
    row("loss", 3, &["loss", "loss-to-nodes"], None),
    row("narrow", 3, &["narrow"], SILENCE),
    row("resets", 3, &["reset-storm", "refuse-peers"], None),
    row("packets", 3, &["packets-lost", "packets-dropped"], SILENCE),
    row("clock-jumps", 3, &["clock-jumps-ahead", "clock-jumps-back"], SILENCE),
    row("clock-of-the-leader", 3, &["leader-clock-jumps"], None),
    row("clock-drifts-and-freezes", 3, &["clock-drifts", "clock-freezes"], None),
    row("slow-disk", 3, &["slow-disk", "slow-sync-leader"], None),
    row("full-disk", 3, &["full-disk", "read-only-disk"], None),
    row("failing-sync", 3, &["failing-sync", "failing-sync-leader"], None),
    row("power-loss", 3, &["power-loss"], None),
    row("power-loss-everywhere", 3, &["power-loss-everywhere"], None),
    row("damaged-files", 3, &["damaged-files"], SILENCE),
    row("old-image", 3, &["old-image"], SILENCE),
    row("replace", 3, &["replace-follower", "replace-leader"], SILENCE),
    row("kill-during-install", 3, &["kill-during-install"], SILENCE),
    row(
        "churn-of-five",
        5,
        &["replace-follower", "kill-leader", "replace-leader"],
        SILENCE,
    ),
    row("narrow-install", 3, &["narrow-install"], SILENCE),
    row("shrink-and-grow", 5, &["shrink-and-grow"], SILENCE),
    row("out-of-memory", 3, &["out-of-memory", "out-of-memory-leader"], SILENCE),
    row(
        "two-of-five",
        5,
        &["pause-minority", "vanish-minority", "power-loss-minority"],
        SILENCE,
    ),
    row("transfer-storm", 3, &["transfer-storm"], None),
    row(
        "transfers-and-partitions",
        5,
        &["transfer-storm", "isolate-leader", "deaf-leader"],
        None,
    ),
    row(
        "certificates",
        3,
        &["renew-certificates", "expired-certificate"],
        ELECTION,
    ),
    row("mixed-versions", 3, &["mixed-versions"], ELECTION),
    row(
        "everything-of-five",
        5,
        &[
            "kill-all",
            "delay",
            "halves",
            "pause-flicker",
            "reset-storm",
            "kill-during-open",
        ],
        None,
    ),
    row(
        "kills-and-partitions",
        5,
        &["kill-leader", "isolate-leader", "kill-minority", "mute-leader"],
        SILENCE,
    ),
];

/// The scenario of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// Its nemeses.
    ///
    /// # Errors
    /// One does not exist.
    pub fn nemeses(&self) -> Result<Vec<&'static Nemesis>, String> {
        let find = |name: &&str| nemeses::find(name).ok_or_else(|| format!("there is no nemesis {name}"));
        self.nemeses.iter().map(find).collect()
    }

    /// What it needs of the machine.
    #[must_use]
    pub fn needs(&self, need: Need) -> bool {
        self.nemeses()
            .is_ok_and(|all| all.iter().any(|nemesis| nemesis.need == need))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_has_its_nemeses_and_every_nemesis_a_scenario() {
        let names: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        let used: BTreeSet<&str> = ALL
            .iter()
            .flat_map(|scenario| scenario.nemeses().unwrap())
            .map(|n| n.name)
            .collect();
        let all: Vec<&str> = nemeses::ALL
            .iter()
            .flat_map(|kind| kind.iter())
            .map(|n| n.name)
            .collect();
        assert_eq!(used.len(), all.len(), "used {used:?}, there are {all:?}");
        assert!(find(SMOKE).is_some());
    }
}
