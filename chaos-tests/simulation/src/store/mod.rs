//! Real consensus over real stores on simulated disks and a simulated network: a phase in which anything may go wrong, one in
//! which a quorum is well and the rest stays broken for good, and one in which everything is healed. What clients saw is
//! checked for linearizability, what members applied and hold is compared whenever somebody looks.
//!
//! A seed decides faults, network, disks, randomness of consensus and simulated time. With the feature `seeded` it also decides
//! in which order tokio wakes tasks that wait for the same thing, and the run is the same bit for bit.

mod clients;
mod faults;
mod joining;
mod machine;
mod phases;
mod watch;

pub use faults::Struck;
pub use phases::Served;

use crate::dice::Dice;
use crate::history::Call;
use crate::limits::{STORE_CLIENTS, STORE_FAULTS};
use crate::linearizable::judge;
use crate::models::{Register, SingleUse};
use clients::{Shared, client};
use faults::strike;
use machine::Cells;
use raft_store::simulation::{Cluster, Facts, run as simulate, spawn};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use watch::Watch;

/// What a run was, and that nothing was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreRan {
    /// Entries of clients that were applied.
    pub entries: usize,
    /// Calls: done, refused, unknown.
    pub outcomes: [usize; 3],
    /// How often each fault struck.
    pub faults: Struck,
    /// Snapshots that took the place of a member's tables.
    pub installed: u64,
    /// How long the cluster needed until it served: with a quorum healed, and with everything healed.
    pub served: [Served; 2],
    /// SHA-256 over what clients saw, with its times, and over the rows at the end.
    pub fingerprint: [u8; 32],
}

/// A run under way.
struct Run {
    shared: Arc<Shared>,
    machine: Cells,
    dice: Dice,
    watch: Watch,
    faults: Struck,
    /// Those that formed the cluster.
    founders: BTreeSet<u64>,
    /// Whose disk was replaced by an empty one.
    wiped: Option<u64>,
    /// Whether another machine was told to come in its place.
    replaced: bool,
}

/// Runs one seed.
///
/// # Errors
/// The first thing that did not hold; it starts with the name of the check.
pub fn run(seed: u64) -> Result<StoreRan, String> {
    traced(seed).0
}

/// Runs one seed; what clients saw as well.
pub fn traced(seed: u64) -> (Result<StoreRan, String>, Vec<Call>) {
    let calls = Arc::new(Mutex::default());
    let kept = calls.clone();
    let ran = simulate(seed, async move { whole(seed, &kept).await });
    let ran = ran.map_err(|error| format!("simulation: {error}")).and_then(|ran| ran);
    (ran, taken(&calls))
}

async fn whole(seed: u64, calls: &Mutex<Vec<Call>>) -> Result<StoreRan, String> {
    let mut dice = Dice::new(seed);
    let (machine, members) = (Cells::default(), if dice.percent(70) { 3 } else { 5 });
    let cluster = Cluster::start(seed, members, Arc::new(machine.clone())).await?;
    let shared = Shared::new(cluster);
    shared.left.store(STORE_CLIENTS, SeqCst);
    for process in 0..STORE_CLIENTS {
        spawn(client(shared.clone(), process, Dice::new(dice.draw())));
    }
    let mut run = Run {
        shared,
        machine,
        dice,
        watch: Watch::default(),
        faults: Struck::default(),
        founders: (1..=members).collect(),
        wiped: None,
        replaced: false,
    };
    let lived = run.live().await;
    let ended = run.end(lived.is_ok()).await;
    let seen = [taken(&run.shared.registers), taken(&run.shared.takes)];
    calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(seen.iter().flatten().cloned());
    let served = lived?;
    let rows = ended?;
    run.judge(seen, served, rows)
}

impl Run {
    async fn live(&mut self) -> Result<[Served; 2], String> {
        // Nothing is promised of a cluster that was never formed: the founder's first entry may be lost with its power.
        self.heal().await?;
        for _ in 0..STORE_FAULTS {
            for _ in 0..self.dice.below(16) {
                tokio::time::sleep(Duration::from_millis(20 + self.dice.below(60))).await;
                self.look()?;
            }
            if self.wiped.is_some() && !self.replaced && self.dice.percent(30) {
                self.replace();
            }
            strike(&self.shared.cluster, &mut self.dice, &mut self.faults, &mut self.wiped).await?;
        }
        let quorum = self.heal_a_quorum().await?;
        Ok([quorum, self.heal().await?])
    }

    /// Clients leave, and everybody catches up; the hash of all rows.
    async fn end(&mut self, well: bool) -> Result<[u8; 32], String> {
        self.shared.stop.store(true, SeqCst);
        while self.shared.left.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let rows = if well { self.settle().await } else { Ok([0; 32]) };
        self.shared.cluster.end().await;
        rows
    }

    fn look(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.shared.wrong() {
            return Err(wrong);
        }
        self.watch.look(&self.shared.cluster, &self.machine, self.wiped)
    }

    fn judge(
        self,
        [registers, takes]: [Vec<Call>; 2],
        served: [Served; 2],
        rows: [u8; 32],
    ) -> Result<StoreRan, String> {
        let mut hash = Sha256::new();
        for call in registers.iter().chain(&takes) {
            hash.update(serde_json::to_vec(call).unwrap_or_default());
        }
        hash.update(rows);
        let count = |wanted: fn(&Call) -> bool| registers.iter().chain(&takes).filter(|call| wanted(call)).count();
        let (done, open) = (
            count(|call| call.outcome.is_ok()),
            count(|call| call.outcome.is_unknown()),
        );
        let outcomes = [done, registers.len() + takes.len() - done - open, open];
        let [registers, takes] = [registers, takes].map(|calls| self.machine.look_up(self.shared.began, calls));
        judge("linearizable", &Register, registers)?;
        judge("once", &SingleUse, takes)?;
        Ok(StoreRan {
            entries: self.machine.entries(),
            outcomes,
            faults: self.faults,
            installed: self.watch.installed(),
            served,
            fingerprint: hash.finalize().into(),
        })
    }
}

fn is_leader(facts: &Facts) -> bool {
    facts.up && facts.leads && facts.fault.is_none()
}

fn taken(calls: &Mutex<Vec<Call>>) -> Vec<Call> {
    std::mem::take(&mut calls.lock().unwrap_or_else(PoisonError::into_inner))
}
