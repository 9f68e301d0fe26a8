//! One round of one member that is its own majority: start, check, write, die.

use super::PATIENCE;
use super::verdict::{Memory, Verdict};
use crate::entropy::Dice;
use crate::member::{Heard, Member, Site};
use std::path::Path;
use std::time::Duration;

/// How a member dies.
pub(super) trait Death {
    /// Ends the process, and does to its disk what belongs to it.
    fn come(&mut self, member: Member, dice: &mut Dice, verdict: &mut Verdict) -> Result<Heard, String>;
}

/// Lengths of lives, in milliseconds.
pub(super) struct Lives {
    /// From the start of the process, for those that die while they open the store.
    pub(super) opening_max: u64,
    /// From the first acknowledgement.
    pub(super) writing_max: u64,
    /// Share of lives that end while opening.
    pub(super) opening_percent: u64,
    /// From the end of the opening, for those that die while they are elected.
    pub(super) electing_max: u64,
    /// Share of lives that end then.
    pub(super) electing_percent: u64,
}

/// Runs rounds on one data folder until one finds something.
pub(super) fn rounds(
    run: &super::Run,
    site: &Site,
    data: &Path,
    lives: &Lives,
    death: &mut impl Death,
) -> Result<Verdict, String> {
    let mut dice = Dice::new(run.seed);
    let (mut memory, mut verdict) = (Memory::default(), Verdict::default());
    verdict.seed = run.seed;
    while verdict.rounds < run.rounds && verdict.holds() {
        verdict.rounds += 1;
        round(site, data, lives, death, &mut dice, &mut memory, &mut verdict)?;
        verdict.progress(run);
    }
    if verdict.holds() {
        verdict.rounds += 1;
        let mut member = site.start(1, data)?;
        check(&mut member, &memory, &mut verdict);
        verdict.rounds -= 1;
    }
    Ok(verdict)
}

fn round(
    site: &Site,
    data: &Path,
    lives: &Lives,
    death: &mut impl Death,
    dice: &mut Dice,
    memory: &mut Memory,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut member = site.start(1, data)?;
    let share = dice.within(1..=100);
    if share <= lives.opening_percent {
        // The clock of this life starts when the process does.
        member.listen(Duration::from_millis(dice.within(0..=lives.opening_max)));
    } else if share <= lives.opening_percent + lives.electing_percent {
        // What it has is compared by the next life that reports.
        if !open(&mut member, verdict) {
            return Ok(());
        }
        member.listen(Duration::from_millis(dice.within(0..=lives.electing_max)));
    } else {
        if !check(&mut member, memory, verdict) {
            return Ok(());
        }
        member.say("write");
        if !member.wait_for("ack", PATIENCE) {
            let words = member.last_words();
            verdict
                .lost
                .push(format!("round {}: no write is acknowledged: {words}", verdict.rounds));
            return Ok(());
        }
        if member.heard.voted < member.heard.leader_term {
            let (term, voted) = (member.heard.leader_term, member.heard.voted);
            verdict.lost.push(format!(
                "round {}: it leads in term {term}, and its last saved vote is of term {voted}",
                verdict.rounds
            ));
            return Ok(());
        }
        member.listen(Duration::from_millis(dice.within(0..=lives.writing_max)));
    }
    let heard = death.come(member, dice, verdict)?;
    verdict.buried(&heard);
    let round = verdict.rounds;
    let wrong = heard.wrong.iter().cloned().chain(memory.term_twice(&heard));
    verdict.lost.extend(wrong.map(|what| format!("round {round}: {what}")));
    memory.learn(&heard);
    Ok(())
}

/// Waits until a member is open.
fn open(member: &mut Member, verdict: &mut Verdict) -> bool {
    if !member.wait_for("open", PATIENCE) {
        let words = member.last_words();
        let round = verdict.rounds;
        verdict
            .lost
            .push(format!("round {round}: the folder does not open again: {words}"));
    }
    verdict.holds()
}

/// Waits until a member is open, and compares what it has with what it must have.
fn check(member: &mut Member, memory: &Memory, verdict: &mut Verdict) -> bool {
    if !open(member, verdict) {
        return false;
    }
    let found = if member.report(PATIENCE) {
        let mut found = memory.lost(member);
        found.extend(memory.vote_went_back(member));
        found
    } else {
        vec![format!("the member does not report: {}", member.last_words())]
    };
    let round = verdict.rounds;
    verdict
        .lost
        .extend(found.into_iter().map(|what| format!("round {round}: {what}")));
    verdict.holds()
}
