//! The power goes at any moment of a member's life, on a disk that keeps only what was synced, and a random part of the
//! rest.

use super::cluster;
use super::single::{Death, Lives, rounds};
use super::verdict::{Run, Verdict};
use crate::entropy::Dice;
use crate::faultfs::FaultDisk;
use crate::member::{Heard, LeftOut, Member, Site};
use std::time::{Duration, Instant};

/// What loses its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One member that is its own majority.
    Single,
    /// Three members; mostly all of them at once.
    Cluster,
}

struct PowerLoss {
    disk: FaultDisk,
}

impl Death for PowerLoss {
    fn come(&mut self, member: Member, dice: &mut Dice, verdict: &mut Verdict) -> Result<Heard, String> {
        // Either the disk goes first, while the process still runs, or the other way round.
        let heard = if dice.percent(50) {
            self.disk.power_off()?;
            member.kill()?
        } else {
            let heard = member.kill()?;
            self.disk.power_off()?;
            heard
        };
        verdict.ruined(&self.disk.power_on(dice.within(0..=u64::MAX))?);
        if dice.percent(50) {
            // More is on its way to such a disk when its power goes.
            self.disk.slow_sync(Duration::from_millis(dice.within(1..=12)))?;
        }
        Ok(heard)
    }
}

/// Runs rounds of load, power loss and return. What is left out shows that the proof notices.
///
/// # Errors
/// A disk cannot be mounted, a process cannot be started; not what the run finds.
pub fn power_loss(run: &Run, scene: Scene, left_out: LeftOut) -> Result<Verdict, String> {
    let started = Instant::now();
    let members = match scene {
        Scene::Single => 1,
        Scene::Cluster => 3,
    };
    let site = Site::new(&run.program, members)?.leaving_out(left_out);
    let mut disks = Vec::new();
    for id in 1..=members {
        disks.push(FaultDisk::mount(
            &run.program,
            &site.folder().join(format!("disk-{id}")),
        )?);
    }
    let verdict = match scene {
        Scene::Cluster => cluster::rounds(run, &site, disks)?,
        Scene::Single => {
            let disk = disks.pop().ok_or("no disk")?;
            let data = disk.folder().join("data");
            let lives = Lives {
                opening_max: 120,
                writing_max: 250,
                opening_percent: 25,
                electing_max: 300,
                electing_percent: 25,
            };
            rounds(run, &site, &data, &lives, &mut PowerLoss { disk })?
        }
    };
    Ok(verdict.took(started.elapsed()))
}
