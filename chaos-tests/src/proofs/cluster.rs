//! Three members on three disks; mostly all of them lose their power at about the same moment.

use super::PATIENCE;
use super::verdict::{Memory, Run, Verdict};
use crate::entropy::Dice;
use crate::faultfs::FaultDisk;
use crate::member::{Member, Site};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Three<'a> {
    site: &'a Site,
    disks: BTreeMap<u64, FaultDisk>,
    members: BTreeMap<u64, Member>,
    memory: Memory,
    /// What each member has said about its own votes.
    votes: BTreeMap<u64, Memory>,
    verdict: Verdict,
}

pub(super) fn rounds(run: &Run, site: &Site, disks: Vec<FaultDisk>) -> Result<Verdict, String> {
    let mut dice = Dice::new(run.seed);
    let mut three = Three {
        site,
        disks: (1..).zip(disks).collect(),
        members: BTreeMap::new(),
        memory: Memory::default(),
        votes: BTreeMap::new(),
        verdict: Verdict {
            seed: run.seed,
            ..Verdict::default()
        },
    };
    three.start_all()?;
    while three.verdict.rounds < run.rounds && three.verdict.holds() {
        three.verdict.rounds += 1;
        if three.write(Duration::from_millis(dice.within(0..=250))) {
            three.lose_power(&mut dice)?;
            three.start_all()?;
            three.check();
        }
        three.verdict.progress(run);
    }
    Ok(three.verdict)
}

impl Three<'_> {
    fn data(&self, id: u64) -> PathBuf {
        self.disks[&id].folder().join("data")
    }

    /// Starts everybody who is down.
    fn start_all(&mut self) -> Result<(), String> {
        for id in 1..=3 {
            if !self.members.contains_key(&id) {
                let member = self.site.start(id, &self.data(id))?;
                self.members.insert(id, member);
            }
        }
        Ok(())
    }

    fn find(&mut self, what: String) {
        let round = self.verdict.rounds;
        self.verdict.lost.push(format!("round {round}: {what}"));
    }

    /// Everybody writes for a while.
    fn write(&mut self, time: Duration) -> bool {
        let mut silent = Vec::new();
        for (id, member) in &mut self.members {
            member.say("write");
            if !member.wait_for("ack", PATIENCE) {
                silent.push(format!("member {id} acknowledges nothing: {}", member.last_words()));
            }
        }
        for member in self.members.values_mut() {
            member.listen(time / 3);
        }
        silent.into_iter().for_each(|what| self.find(what));
        self.verdict.holds()
    }

    /// The power of some goes, mostly of all; the others are killed, so that everybody starts again.
    fn lose_power(&mut self, dice: &mut Dice) -> Result<(), String> {
        let victims = match dice.within(1..=10) {
            1 => vec![dice.within(1..=3)],
            2 => vec![1, 2],
            _ => vec![1, 2, 3],
        };
        for id in &victims {
            if let Some(disk) = self.disks.get_mut(id) {
                disk.power_off()?;
            }
            std::thread::sleep(Duration::from_micros(dice.within(0..=3000)));
        }
        for (id, member) in std::mem::take(&mut self.members) {
            let heard = member.kill()?;
            self.verdict.buried(&heard);
            self.memory.learn(&heard);
            self.votes.entry(id).or_default().learn(&heard);
        }
        for id in &victims {
            if let Some(disk) = self.disks.get_mut(id) {
                let ruins = disk.power_on(dice.within(0..=u64::MAX))?;
                self.verdict.ruined(&ruins);
                if dice.percent(50) {
                    disk.slow_sync(Duration::from_millis(dice.within(1..=12)))?;
                }
            }
        }
        Ok(())
    }

    /// Everybody has everything, and the same.
    fn check(&mut self) {
        let mut found = Vec::new();
        for (id, member) in &mut self.members {
            if !member.wait_for("open", PATIENCE) {
                found.push(format!("member {id} does not open: {}", member.last_words()));
            }
        }
        let until = Instant::now() + PATIENCE;
        while found.is_empty() {
            for (id, member) in &mut self.members {
                if !member.report(PATIENCE) {
                    found.push(format!("member {id} does not report: {}", member.last_words()));
                }
            }
            let digests: Vec<_> = self.members.values().map(|m| m.heard.digest.clone()).collect();
            let indexes_agree = digests.iter().flatten().all(|(at, _)| {
                digests
                    .first()
                    .and_then(Option::as_ref)
                    .is_some_and(|(first, _)| first == at)
            });
            if indexes_agree && digests.windows(2).any(|pair| pair[0] != pair[1]) {
                found.push(format!("members differ at the same index: {digests:?}"));
            }
            if indexes_agree || Instant::now() > until {
                break;
            }
        }
        for (id, member) in &self.members {
            found.extend(
                self.memory
                    .lost(member)
                    .into_iter()
                    .map(|what| format!("member {id}: {what}")),
            );
            let vote = self.votes.get(id).and_then(|votes| votes.vote_went_back(member));
            found.extend(vote.map(|what| format!("member {id}: {what}")));
        }
        found.into_iter().for_each(|what| self.find(what));
    }
}
