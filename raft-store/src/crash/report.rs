//! What a campaign came to, and how to repeat what failed.

use std::collections::BTreeSet;
use std::fmt;

use super::Trouble;
use crate::disk::sim::Loss;

/// One crash, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) point: u64,
    pub(crate) loss: Loss,
    pub(crate) then: Option<(u64, Loss)>,
}

impl Case {
    pub(super) fn new(seed: u64, point: u64, loss: Loss) -> Self {
        Self {
            seed,
            point,
            loss,
            then: None,
        }
    }

    pub(super) fn then(self, point: u64, loss: Loss) -> Self {
        Self {
            then: Some((point, loss)),
            ..self
        }
    }
}

/// The command that repeats the case.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            point,
            loss,
            then,
        } = self;
        write!(f, "infra/dev crash-points --seed {seed} --point {point} --loss {loss}")?;
        match then {
            Some((point, loss)) => write!(f, " --then {point} --then-loss {loss}"),
            None => Ok(()),
        }
    }
}

/// A case that was judged wrong.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) case: Case,
    /// The operation in whose middle the power went.
    pub(crate) at: String,
    pub(crate) why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "stopped in {:?}: {}\n  repeat it with: {}",
            self.at, self.why, self.case
        )
    }
}

/// Counts, and what failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    /// Writes and flushes at which the power went.
    pub(crate) points: u64,
    /// What they were, numbers left out.
    pub(crate) steps: BTreeSet<String>,
    /// Crashes that were judged, those in recoveries included.
    pub(crate) cases: u64,
    pub(crate) nested: u64,
    /// Cases with writes out of order that ended in a told refusal.
    pub(crate) refused: u64,
    pub(crate) failures: Vec<Failure>,
}

impl Report {
    #[cfg(feature = "sim")]
    pub(crate) fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.points += other.points;
        self.steps.extend(other.steps);
        self.cases += other.cases;
        self.nested += other.nested;
        self.refused += other.refused;
        self.failures.extend(other.failures);
    }

    /// The power went in the middle of this.
    pub(super) fn stopped_in(&mut self, step: &str) {
        self.steps
            .insert(step.chars().filter(|letter| !letter.is_ascii_digit()).collect());
    }

    pub(super) fn fail(&mut self, case: Case, at: &str, trouble: &Trouble) {
        self.failures.push(Failure {
            case,
            at: at.to_owned(),
            why: trouble.to_string(),
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        write!(
            f,
            "{} plans, {} crash points, {} cases ({} of them a second crash in a recovery), {} refused as out of order, {} failed",
            self.seeds,
            self.points,
            self.cases,
            self.nested,
            self.refused,
            self.failures.len()
        )
    }
}
