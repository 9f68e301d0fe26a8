//! What a run has to show at its end, and what it remembers on the way: the highest acknowledged numbers and terms.

use crate::member::{Heard, Member};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long a run is, and what it is repeated with.
#[derive(Clone, Debug)]
pub struct Run {
    /// The program `tfauth-proofs`, for members and disks.
    pub program: std::path::PathBuf,
    /// Rounds of life and death.
    pub rounds: u64,
    /// Everything that is chosen follows from it.
    pub seed: u64,
    /// Whether a line of progress is printed now and then.
    pub progress: bool,
}

/// What a run has shown.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Verdict {
    /// Rounds that were run.
    pub rounds: u64,
    /// Seed.
    pub seed: u64,
    /// Processes killed.
    pub kills: u64,
    /// Of these while the store was opening.
    pub kills_during_open: u64,
    /// Of these between the opening and the first acknowledgement.
    pub kills_before_first_write: u64,
    /// Of these after a vote was saved in a life that acknowledged nothing.
    pub kills_after_vote_only: u64,
    /// Of these while a checkpoint was being written.
    pub kills_during_checkpoint: u64,
    /// Disks that lost their power.
    pub power_losses: u64,
    /// Changes that no fsync had covered when the power went.
    pub changes_at_risk: u64,
    /// Changes of names that no fsync had covered, and those of them that were lost.
    pub names_at_risk: u64,
    /// See above.
    pub names_lost: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// What was found to be wrong; the run ends with the first.
    pub lost: Vec<String>,
    /// Length of the run.
    pub seconds: u64,
}

/// What must not be forgotten.
#[derive(Debug, Default)]
pub(super) struct Memory {
    acked: BTreeMap<String, u64>,
    leader_term: u64,
    /// Highest term of a saved vote.
    voted: u64,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost.is_empty()
    }

    pub(super) fn buried(&mut self, heard: &Heard) {
        self.kills += 1;
        self.kills_during_open += u64::from(heard.opening);
        self.kills_before_first_write += u64::from(heard.opened && heard.acks == 0);
        self.kills_after_vote_only += u64::from(heard.voted > 0 && heard.acks == 0);
        self.kills_during_checkpoint += u64::from(heard.in_checkpoint && !heard.opening);
        self.acknowledged += heard.acks;
    }

    /// Takes the answer of a disk that came back.
    pub(super) fn ruined(&mut self, answer: &str) {
        let words: Vec<&str> = answer.split_whitespace().collect();
        let value = |name: &str| {
            let found = words.windows(2).find(|pair| pair[0] == name);
            found.and_then(|pair| pair[1].parse().ok()).unwrap_or(0)
        };
        self.power_losses += 1;
        self.changes_at_risk += value("changes-at-risk");
        self.names_at_risk += value("names-at-risk");
        self.names_lost += value("names-lost");
    }

    pub(super) fn took(mut self, time: Duration) -> Self {
        self.seconds = time.as_secs();
        self
    }

    pub(super) fn progress(&self, run: &Run) {
        if run.progress && self.rounds.is_multiple_of(super::PROGRESS_EVERY) {
            eprintln!("round {} of {}: {self}", self.rounds, run.rounds);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} during open, {} before the first write, {} with a vote saved and nothing written, \
             {} during checkpoint), ",
            self.kills,
            self.kills_during_open,
            self.kills_before_first_write,
            self.kills_after_vote_only,
            self.kills_during_checkpoint
        )?;
        if self.power_losses > 0 {
            write!(
                f,
                "{} power losses ({} unsynced changes at risk, {} of {} unsynced names lost), ",
                self.power_losses, self.changes_at_risk, self.names_lost, self.names_at_risk
            )?;
        }
        write!(f, "{} acknowledged, {} lost", self.acknowledged, self.lost.len())
    }
}

impl Memory {
    /// What a member had said before it died.
    pub(super) fn learn(&mut self, heard: &Heard) {
        for (key, number) in &heard.acked {
            let highest = self.acked.entry(key.clone()).or_default();
            *highest = (*number).max(*highest);
        }
        self.leader_term = self.leader_term.max(heard.leader_term);
        self.voted = self.voted.max(heard.voted);
    }

    /// What a member that has reported lacks.
    pub(super) fn lost(&self, member: &Member) -> Vec<String> {
        let mut lost = member.heard.wrong.clone();
        for (key, acked) in &self.acked {
            let found = member.heard.counts.get(key).copied().unwrap_or(0);
            if found < *acked {
                lost.push(format!("{key} was acknowledged at {acked}, found {found}"));
            }
        }
        lost
    }

    /// Whether a member that has reported is in an older term than one in which it had saved a vote, or acknowledged as a
    /// leader.
    pub(super) fn vote_went_back(&self, member: &Member) -> Option<String> {
        let now = member.heard.term?;
        let before = self.term();
        (now < before).then(|| format!("the vote went back: term {now} now, after a vote or writes in term {before}"))
    }

    /// Whether a member that is its own majority, and had to be elected again, leads in a term that it had voted or led in.
    pub(super) fn term_twice(&self, heard: &Heard) -> Option<String> {
        let first = heard.first_leader_term?;
        let before = self.term();
        (first <= before)
            .then(|| format!("two elections in one term: leads in term {first}, had voted or led in {before}"))
    }

    fn term(&self) -> u64 {
        self.leader_term.max(self.voted)
    }
}
