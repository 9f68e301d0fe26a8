//! What goes wrong in a run of the store: one thing after the other, some of them at the same time.
//!
//! Must not take more machines away than the cluster is made for when it heals.

use crate::dice::Dice;
use raft_store::simulation::{Cluster, Power, Weather};
use serde::Serialize;
use std::time::Duration;

/// How often each fault struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Struck {
    /// Processes killed.
    pub kills: u64,
    /// Power lost, in the middle of writes as well.
    pub power: u64,
    /// Members cut off, halves, one direction, bridges.
    pub cuts: u64,
    /// Networks that lose, double and delay.
    pub storms: u64,
    /// Disks that are slow.
    pub slow_disks: u64,
    /// Disks replaced by empty ones under the old id.
    pub wipes: u64,
    /// Leaders that were asked to let another one lead.
    pub hand_overs: u64,
    /// Machines that came in the place of wiped ones.
    pub replaced: u64,
    /// Members that stayed broken while a quorum had to serve.
    pub broken: u64,
}

impl Struck {
    /// Each with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("kills", self.kills),
            ("power losses", self.power),
            ("cuts", self.cuts),
            ("storms", self.storms),
            ("slow disks", self.slow_disks),
            ("wiped disks", self.wipes),
            ("leadership handed over", self.hand_overs),
            ("members replaced", self.replaced),
            ("members broken for good", self.broken),
        ]
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.power += other.power;
        self.cuts += other.cuts;
        self.storms += other.storms;
        self.slow_disks += other.slow_disks;
        self.wipes += other.wipes;
        self.hand_overs += other.hand_overs;
        self.replaced += other.replaced;
        self.broken += other.broken;
    }
}

/// One fault, or the end of some.
pub(super) async fn strike(
    cluster: &Cluster,
    dice: &mut Dice,
    struck: &mut Struck,
    wiped: &mut Option<u64>,
) -> Result<(), String> {
    let ids = cluster.ids();
    let id = victim(cluster, dice);
    match dice.below(14) {
        0..=2 => {
            let power = match dice.below(4) {
                0 => Power::Killed,
                1 | 2 => Power::Lost,
                _ => Power::Torn(dice.draw()),
            };
            let count = if power == Power::Killed {
                &mut struck.kills
            } else {
                &mut struck.power
            };
            *count += 1;
            if power != Power::Killed && dice.percent(60) {
                cluster.unplug_soon(id, dice.below(12));
                tokio::time::sleep(Duration::from_millis(5 + dice.below(60))).await;
            }
            cluster.stop(id, power).await;
        }
        3 => {
            struck.power += 1;
            for id in &ids {
                cluster.stop(*id, Power::Lost).await;
            }
        }
        4 | 5 => {
            struck.cuts += 1;
            cut(cluster, dice, &ids, id);
        }
        6 => {
            struck.storms += 1;
            let weather = Weather {
                lost_percent: dice.below(30),
                doubled_percent: dice.below(30),
                delay_ms: 1 + dice.below(150),
            };
            cluster.weather(weather);
        }
        7 => {
            struck.slow_disks += 1;
            cluster.disk_pace(id, Duration::from_millis(20 + dice.below(700)));
        }
        8 if wiped.is_none() && dice.percent(60) => {
            struck.wipes += 1;
            *wiped = Some(id);
            cluster.wipe(id, dice.draw()).await?;
        }
        9 => {
            struck.hand_overs += 1;
            let voters: Vec<u64> = cluster.facts(id).voters.into_iter().flatten().collect();
            if let Some(to) = dice.place(voters.len()).map(|place| voters[place]) {
                cluster.hand_over(id, to).await;
            }
        }
        _ => relief(cluster, dice, *wiped).await?,
    }
    Ok(())
}

/// One that is not needed, in the way in which it disturbs the others most: it stays like this.
pub(super) async fn break_for_good(
    cluster: &Cluster,
    dice: &mut Dice,
    id: u64,
    well: &[u64],
    down: bool,
) -> Result<(), String> {
    let way = dice.below(6);
    // Two that are half alive could lead together and agree as slowly as the slower one, for ever: Raft promises no better.
    if way == 0 || down {
        cluster.stop(id, Power::Lost).await;
        return Ok(());
    }
    // As the faults before have left it.
    if way == 1 {
        return Ok(());
    }
    restart(cluster, id, None).await?;
    // Only what follows is broken. One that is slow and was left with a single other leads with it, and agrees as slowly as its
    // disk: nothing better is promised of that either.
    cluster.join_among(&[well, &[id]].concat());
    cluster.disk_pace(id, Duration::from_millis(3));
    let (hears, is_heard) = match way {
        // Asks for votes and hears no answer.
        2 => (false, true),
        // Hears of everything and answers nobody.
        3 => (true, false),
        // Reaches some only.
        4 => (dice.percent(50), dice.percent(50)),
        // Its disk needs longer than a leader waits.
        _ => {
            cluster.disk_pace(id, Duration::from_millis(3_000 + dice.below(4_000)));
            (true, true)
        }
    };
    let some = if way == 4 { well.len() / 2 } else { 0 };
    for (place, other) in well.iter().enumerate() {
        let both = place < some;
        if !hears && !both {
            cluster.cut(*other, id);
        }
        if !is_heard && !both {
            cluster.cut(id, *other);
        }
    }
    Ok(())
}

/// Mostly whoever leads.
fn victim(cluster: &Cluster, dice: &mut Dice) -> u64 {
    let ids = cluster.ids();
    let leaders: Vec<u64> = ids.iter().copied().filter(|id| cluster.facts(*id).leads).collect();
    let any = dice.place(ids.len()).map_or(1, |place| ids[place]);
    if dice.percent(60) {
        dice.recent(&leaders).unwrap_or(any)
    } else {
        any
    }
}

fn cut(cluster: &Cluster, dice: &mut Dice, ids: &[u64], id: u64) {
    let others: Vec<u64> = ids.iter().copied().filter(|other| *other != id).collect();
    match dice.below(4) {
        // Alone.
        0 => others.iter().for_each(|other| {
            cluster.cut(id, *other);
            cluster.cut(*other, id);
        }),
        // Heard by nobody, or hearing nobody.
        1 => others.iter().for_each(|other| cluster.cut(id, *other)),
        2 => others.iter().for_each(|other| cluster.cut(*other, id)),
        // A bridge: the others reach each other through this one only.
        _ => {
            for (one, other) in others.iter().zip(others.iter().skip(1)) {
                cluster.cut(*one, *other);
                cluster.cut(*other, *one);
            }
        }
    }
}

/// Some of it ends.
async fn relief(cluster: &Cluster, dice: &mut Dice, wiped: Option<u64>) -> Result<(), String> {
    if dice.percent(50) {
        cluster.join();
    }
    if dice.percent(50) {
        cluster.weather(Weather {
            delay_ms: 5,
            ..Weather::default()
        });
    }
    for id in cluster.ids() {
        cluster.disk_pace(id, Duration::from_millis(3));
        if dice.percent(70) {
            restart(cluster, id, wiped).await?;
        }
    }
    Ok(())
}

/// A member whose disk stopped in the middle of a write is stopped as a whole first.
pub(super) async fn restart(cluster: &Cluster, id: u64, wiped: Option<u64>) -> Result<(), String> {
    if wiped == Some(id) {
        return Ok(());
    }
    if cluster.facts(id).fault.is_some() {
        cluster.stop(id, Power::Lost).await;
    }
    cluster.restart(id).await.map_err(|error| format!("open: {error}"))
}
