//! Real nodes on disks that fail: three behind two load balancers, each with its data on a disk of ours. While logins go
//! on, a disk refuses to sync, is full, read-only or slow, or loses its power. The node on it says what happened and
//! stops, the others serve on, and after the repair the node comes back; nothing that was answered is forgotten.
//!
//! Decides nothing about disks: see [`crate::faultfs`].

mod rig;
mod trouble;
mod witness;

pub use trouble::{Case, Trouble, Victim};

use super::verdict::Run;
use crate::entropy::Dice;
use rig::Rig;
use serde::Serialize;
use std::fmt;

/// What one case came to.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was done, to whom.
    pub case: Case,
    /// The node, if it was one.
    pub node: String,
    /// Entries that were applied meanwhile.
    pub entries: u64,
    /// Logins that were sent while it lasted, and until the node was back; none where all nodes were down.
    pub logins: usize,
    /// Of these, the ones that did not succeed.
    pub failed: usize,
    /// Longest time without a success, in milliseconds.
    pub longest_gap_ms: u128,
    /// What the node said before it stopped, if it did.
    pub told: Vec<String>,
}

/// What a run has shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Seed.
    pub seed: u64,
    /// The cases, in order.
    pub rows: Vec<Row>,
    /// People who logged in, and of whom everything was found again.
    pub witnesses: usize,
    /// What was wrong; a run ends with the first.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Does the cases one after the other on one cluster.
///
/// # Errors
/// The cluster or its disks cannot be started; not what the run finds.
pub async fn run(run: &Run, cases: &[Case]) -> Result<Outcome, String> {
    let mut rig = Rig::start(&run.program, run.seed).await?;
    let mut outcome = Outcome {
        seed: run.seed,
        ..Outcome::default()
    };
    for (case, number) in cases.iter().zip(1..) {
        match rig.case(*case).await {
            Ok(row) => {
                if run.progress {
                    eprintln!("{number} of {}: {row}", cases.len());
                }
                outcome.rows.push(row);
            }
            Err(what) => {
                outcome.wrong.push(format!("{case}: {what}"));
                eprintln!("the logs of the nodes are in {}", rig.keep_logs()?.display());
                return Ok(outcome);
            }
        }
    }
    match rig.finish().await {
        Ok(witnesses) => outcome.witnesses = witnesses,
        Err(what) => outcome.wrong.push(format!("at the end: {what}")),
    }
    Ok(outcome)
}

/// As many cases as a run has rounds: each kind once, then what the dice say.
#[must_use]
pub fn draw(run: &Run) -> Vec<Case> {
    let mut dice = Dice::new(run.seed);
    let rounds = usize::try_from(run.rounds).unwrap_or(usize::MAX);
    let mut cases = Case::all();
    while cases.len() < rounds {
        let mut case = cases[dice.index(Case::all().len())];
        if let Trouble::Slow { .. } = case.trouble {
            case.trouble = Trouble::Slow {
                millis: dice.within(50..=5000),
            };
        }
        cases.push(case);
    }
    cases.truncate(rounds);
    cases
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.case)?;
        if !self.node.is_empty() {
            write!(f, " ({})", self.node)?;
        }
        write!(
            f,
            ": {} logins, {} failed, longest gap {} ms, {} entries",
            self.logins, self.failed, self.longest_gap_ms, self.entries
        )?;
        self.told.iter().try_for_each(|line| write!(f, "\n    it said: {line}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        write!(
            f,
            "{} people logged in meanwhile, nothing of them forgotten; {} findings",
            self.witnesses,
            self.wrong.len()
        )
    }
}
