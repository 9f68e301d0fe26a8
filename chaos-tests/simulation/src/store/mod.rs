//! Real consensus over real stores on simulated disks and a simulated network: a phase in which anything may go wrong, and one
//! in which everything must work again soon. What clients saw is checked for linearizability, what members applied and hold
//! is compared.
//!
//! A seed repeats the same faults in the same simulated time. It repeats the same run as long as tokio wakes tasks in the
//! same order; whether it did is told.

mod clients;
mod faults;
mod machine;

pub use faults::Struck;

use crate::dice::Dice;
use crate::history::{Call, History};
use crate::limits::{HEALED_MS_MAX, STORE_CLIENTS, STORE_FAULTS};
use crate::linearizable::{Verdict, check};
use crate::models::{Model, Register, SingleUse};
use clients::{Shared, client, one};
use faults::{restart, strike};
use machine::Cells;
use raft_store::simulation::{Cluster, Weather, run as simulate, spawn};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a run was, and that nothing was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreRan {
    /// Entries of clients that were applied.
    pub entries: usize,
    /// Calls: done, refused, unknown.
    pub outcomes: [usize; 3],
    /// How often each fault struck.
    pub faults: Struck,
    /// How long the cluster needed, once healed, until it served again, in simulated milliseconds.
    pub healed_ms: u64,
    /// SHA-256 over what clients saw, with its times.
    pub fingerprint: [u8; 32],
}

/// Runs one seed.
///
/// # Errors
/// The first thing that did not hold; it starts with the name of the check.
pub fn run(seed: u64) -> Result<StoreRan, String> {
    simulate(seed, whole(seed)).map_err(|error| format!("simulation: {error}"))?
}

async fn whole(seed: u64) -> Result<StoreRan, String> {
    let mut dice = Dice::new(seed);
    let (machine, members) = (Cells::default(), if dice.percent(70) { 3 } else { 5 });
    let cluster = Cluster::start(seed, members, Arc::new(machine.clone())).await?;
    let shared = Shared::new(cluster.clone());
    shared.left.store(STORE_CLIENTS, SeqCst);
    for process in 0..STORE_CLIENTS {
        spawn(client(shared.clone(), process, Dice::new(dice.draw())));
    }
    let mut watch = Watch::default();
    let (mut faults, mut wiped) = (Struck::default(), None);
    // Nothing is promised of a cluster that was never formed: the founder's first entry may be lost with its power.
    heal(&shared, &mut dice, wiped, &mut watch, &machine).await?;
    for _ in 0..STORE_FAULTS {
        for _ in 0..dice.below(16) {
            tokio::time::sleep(Duration::from_millis(20 + dice.below(60))).await;
            watch.look(&cluster, &machine)?;
        }
        strike(&cluster, &mut dice, &mut faults, &mut wiped).await?;
    }
    let healed_ms = heal(&shared, &mut dice, wiped, &mut watch, &machine).await?;
    shared.stop.store(true, SeqCst);
    while shared.left.load(SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    settle(&shared, &mut dice, wiped, &mut watch, &machine).await?;
    cluster.end().await;
    let (registers, takes) = (taken(&shared.registers), taken(&shared.takes));
    let fingerprint = fingerprint(&registers, &takes);
    let count = |wanted: fn(&Call) -> bool| registers.iter().chain(&takes).filter(|call| wanted(call)).count();
    let (done, open) = (
        count(|call| call.outcome.is_ok()),
        count(|call| call.outcome.is_unknown()),
    );
    let outcomes = [done, registers.len() + takes.len() - done - open, open];
    judge("linearizable", &Register, registers)?;
    judge("once", &SingleUse, takes)?;
    Ok(StoreRan {
        entries: machine.entries(),
        outcomes,
        faults,
        healed_ms,
        fingerprint,
    })
}

/// Everybody that may is up again, nothing is cut: calls must be answered soon.
async fn heal(
    shared: &Shared,
    dice: &mut Dice,
    wiped: Option<u64>,
    watch: &mut Watch,
    machine: &Cells,
) -> Result<u64, String> {
    let cluster = &shared.cluster;
    cluster.join();
    cluster.weather(Weather {
        delay_ms: 3,
        ..Weather::default()
    });
    for id in cluster.ids().to_vec() {
        restart(cluster, id, wiped).await?;
        cluster.disk_pace(id, Duration::from_millis(3));
    }
    let began = tokio::time::Instant::now();
    loop {
        let healing_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        watch.look(cluster, machine)?;
        let leader = cluster
            .ids()
            .iter()
            .copied()
            .find(|id| cluster.facts(*id).leads && wiped != Some(*id));
        if let Some(leader) = leader
            && one(shared, STORE_CLIENTS, leader, dice).await
        {
            return Ok(healing_ms);
        }
        if healing_ms > HEALED_MS_MAX {
            let facts: Vec<_> = cluster.ids().iter().map(|id| (*id, cluster.facts(*id))).collect();
            return Err(format!(
                "liveness: nobody serves {healing_ms} ms after everything was healed: {facts:?}"
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everybody catches up, and every value is read once more.
async fn settle(
    shared: &Shared,
    dice: &mut Dice,
    wiped: Option<u64>,
    watch: &mut Watch,
    machine: &Cells,
) -> Result<(), String> {
    let cluster = &shared.cluster;
    let began = tokio::time::Instant::now();
    let mut answered = 0;
    loop {
        watch.look(cluster, machine)?;
        let up: Vec<u64> = cluster.ids().iter().copied().filter(|id| wiped != Some(*id)).collect();
        let seen: Vec<u64> = up.iter().map(|id| cluster.facts(*id).seen).collect();
        let leader = up.iter().copied().find(|id| cluster.facts(*id).leads);
        if let Some(leader) = leader
            && answered < 12
            && one(shared, STORE_CLIENTS, leader, dice).await
        {
            answered += 1;
        }
        if answered == 12 && seen.iter().all(|one| Some(one) == seen.first()) {
            return Ok(());
        }
        if began.elapsed() > Duration::from_millis(2 * HEALED_MS_MAX) {
            return Err(format!(
                "liveness: members have seen {seen:?} entries, {answered} calls were answered"
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What must hold whenever somebody looks. Two leaders of one term are no fault here: votes of openraft are ordered by term and
/// member, and the later one wins.
#[derive(Default)]
struct Watch {
    digests: BTreeMap<u64, (u64, String)>,
}

impl Watch {
    fn look(&mut self, cluster: &Cluster, machine: &Cells) -> Result<(), String> {
        if let Some(difference) = machine.difference() {
            return Err(format!("committed: {difference}"));
        }
        for id in cluster.ids() {
            let facts = cluster.facts(*id);
            if facts.purged > facts.seen && facts.up {
                return Err(format!(
                    "purge: {id} purged {} entries and applied {}",
                    facts.purged, facts.seen
                ));
            }
            for (index, digest) in facts.digests {
                let (other, first) = self.digests.entry(index).or_insert_with(|| (*id, digest.clone()));
                if *first != digest {
                    return Err(format!(
                        "replicas: {other} and {id} hold different rows after entry {index}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn taken(calls: &Mutex<Vec<Call>>) -> Vec<Call> {
    std::mem::take(&mut calls.lock().unwrap_or_else(PoisonError::into_inner))
}

fn fingerprint(registers: &[Call], takes: &[Call]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for call in registers.iter().chain(takes) {
        hash.update(serde_json::to_vec(call).unwrap_or_default());
    }
    hash.finalize().into()
}

fn judge<M: Model>(name: &str, model: &M, calls: Vec<Call>) -> Result<(), String> {
    match check(model, &History::new(calls)) {
        Verdict::Linearizable => Ok(()),
        Verdict::Violation(violation) => Err(format!("{name}: clients saw {violation}")),
        Verdict::Undecided { key } => Err(format!("{name}: {key} needs more memory than the checker may have")),
    }
}
