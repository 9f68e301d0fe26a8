//! The rules of `auth-core` on simulated nodes: clients that repeat, give up and steal, a network that loses, repeats and
//! reorders, leaders that go with what they had, replicas that crash, lag and get snapshots, clocks that are off and jump.
//! Everything follows from one seed, bit for bit: a run has a fingerprint, and the same seed gives the same one.
//!
//! Must not read a clock, draw randomness of its own, or start a thread.

mod asks;
mod budget;
mod cluster;
mod oracle;
mod rebase;
mod users;
mod witness;
mod world;

use crate::dice::Dice;
use crate::history::Call;
use crate::limits::RULES_STEPS;
use serde::Serialize;
use world::World;

/// What a run was, and that nothing was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Entries that were agreed on.
    pub entries: usize,
    /// Requests of clients.
    pub requests: u64,
    /// Calls that the checker of linearizability judged.
    pub calls: usize,
    /// Of those: done, refused, unknown.
    pub outcomes: [usize; 3],
    /// How often each fault struck.
    pub faults: Faults,
    /// SHA-256 over every entry, reply and row.
    pub fingerprint: [u8; 32],
}

/// How often each fault struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Messages lost.
    pub lost: u64,
    /// Messages that came twice.
    pub doubled: u64,
    /// Answers that did not arrive.
    pub unanswered: u64,
    /// Leaders that went.
    pub leaders: u64,
    /// Replicas that crashed.
    pub crashes: u64,
    /// Snapshots that took the place of a replica's rows.
    pub snapshots: u64,
    /// Clocks that jumped.
    pub jumps: u64,
}

impl Faults {
    /// Each with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("messages lost", self.lost),
            ("messages doubled", self.doubled),
            ("answers lost", self.unanswered),
            ("leaders gone", self.leaders),
            ("crashes", self.crashes),
            ("snapshots installed", self.snapshots),
            ("clocks moved", self.jumps),
        ]
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.unanswered += other.unanswered;
        self.leaders += other.leaders;
        self.crashes += other.crashes;
        self.snapshots += other.snapshots;
        self.jumps += other.jumps;
    }
}

/// Runs one seed.
///
/// # Errors
/// The first thing that did not hold; it starts with the name of the check.
pub fn run(seed: u64) -> Result<Ran, String> {
    traced(seed).0
}

/// Runs one seed; what clients saw as well.
pub fn traced(seed: u64) -> (Result<Ran, String>, Vec<Call>) {
    match World::new(Dice::new(seed)) {
        Ok(mut world) => {
            let lived = live(&mut world);
            let calls = world.witnessed();
            (lived.and_then(|()| world.finish()), calls)
        }
        Err(why) => (Err(why), Vec::new()),
    }
}

fn live(world: &mut World) -> Result<(), String> {
    for _ in 0..RULES_STEPS {
        world.step()?;
    }
    world.heal()
}
