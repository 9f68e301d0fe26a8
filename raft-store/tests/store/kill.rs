//! kill -9 at any moment: nothing acknowledged is lost, and the folder opens again.
//!
//! A run is repeated with the seed it prints: `RAFT_STORE_SEED=… cargo test -p raft-store kill`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::child::{Layout, Process};
use crate::support::{Authority, PATIENCE, free_addresses, prepare};

fn seeded() -> StdRng {
    let given = std::env::var("RAFT_STORE_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("repeat with RAFT_STORE_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn layout(size: u64) -> (tempfile::TempDir, Layout) {
    prepare();
    let folder = tempfile::tempdir().unwrap();
    let addresses = free_addresses(usize::try_from(size).unwrap());
    let layout = Layout {
        folder: folder.path().to_path_buf(),
        addresses,
    };
    let authority = Authority::new();
    for id in 1..=size {
        let name = format!("node-{id}");
        layout.write_papers(&name, &authority.papers(&name));
    }
    (folder, layout)
}

fn remember(known: &mut BTreeMap<String, u64>, acked: BTreeMap<String, u64>) {
    for (key, count) in acked {
        let highest = known.entry(key).or_default();
        *highest = count.max(*highest);
    }
}

fn check(counts: &BTreeMap<String, u64>, acked: &BTreeMap<String, u64>, when: &str) {
    for (key, acked) in acked {
        let found = counts.get(key).copied().unwrap_or(0);
        assert!(
            found >= *acked,
            "{when}: {key} was acknowledged at {acked}, found {found}"
        );
    }
}

#[test]
fn a_member_killed_at_any_moment_keeps_what_it_acknowledged() {
    let mut random = seeded();
    let (_folder, layout) = layout(1);
    let mut acked = BTreeMap::new();
    let (started, mut rounds, mut opened) = (Instant::now(), 0, 0);
    while started.elapsed() < Duration::from_secs(15) {
        rounds += 1;
        let mut process = layout.spawn(1);
        if random.random_bool(0.3) {
            // In the middle of opening.
            std::thread::sleep(Duration::from_millis(random.random_range(0..80)));
            remember(&mut acked, process.kill());
            continue;
        }
        process.wait_for("open", PATIENCE).expect("the folder must open again");
        opened += 1;
        check(&process.report(), &acked, &format!("round {rounds}"));
        process.say("write");
        process.wait_for("ack", PATIENCE).expect("a single member acknowledges");
        let life = Instant::now() + Duration::from_millis(random.random_range(1..220));
        process.wait_for("never", life.saturating_duration_since(Instant::now()));
        remember(&mut acked, process.kill());
    }
    let mut process = layout.spawn(1);
    process.wait_for("open", PATIENCE).expect("the folder must open again");
    check(&process.report(), &acked, "at the end");
    let total: u64 = acked.values().sum();
    println!("{rounds} kills, {opened} of them while writing, {total} acknowledged, none lost");
    assert!(opened >= 10 && total > 100, "too little happened to prove anything");
}

#[test]
fn a_cluster_whose_members_are_killed_keeps_what_it_acknowledged() {
    let mut random = seeded();
    let (_folder, layout) = layout(3);
    let mut members: BTreeMap<u64, Process> = (1..=3).map(|id| (id, layout.spawn(id))).collect();
    let mut acked = BTreeMap::new();
    for process in members.values_mut() {
        process.wait_for("open", PATIENCE).unwrap();
        process.say("write");
    }
    let mut longest = Duration::ZERO;
    for _ in 0..8 {
        for process in members.values_mut() {
            process.wait_for("ack", PATIENCE).expect("a cluster acknowledges");
            process.wait_for("never", Duration::from_millis(random.random_range(20..300)));
        }
        let victim = random.random_range(1..=3);
        remember(&mut acked, members.remove(&victim).unwrap().kill());
        let killed = Instant::now();
        wait_for_new_acks(&mut members);
        longest = longest.max(killed.elapsed());
        let mut process = layout.spawn(victim);
        process.wait_for("open", PATIENCE).expect("the folder must open again");
        process.say("write");
        members.insert(victim, process);
    }
    for process in members.into_values() {
        remember(&mut acked, process.kill());
    }
    let mut members: Vec<Process> = (1..=3).map(|id| layout.spawn(id)).collect();
    for (process, id) in members.iter_mut().zip(1..) {
        process.wait_for("open", PATIENCE).unwrap();
        check(&process.report(), &acked, &format!("node {id} at the end"));
    }
    println!(
        "{} acknowledged, none lost; longest pause {longest:?}",
        acked.values().sum::<u64>()
    );
    assert!(longest < Duration::from_secs(3), "{longest:?}");
}

/// Waits until every member acknowledges something that it has not said yet.
fn wait_for_new_acks(members: &mut BTreeMap<u64, Process>) {
    for process in members.values_mut() {
        while process.wait_for("ack", Duration::ZERO).is_some() {}
        process.wait_for("ack", PATIENCE).expect("a majority acknowledges");
    }
}

#[test]
fn members_that_fall_silent_are_replaced_and_taken_back() {
    let (_folder, layout) = layout(3);
    let mut members: BTreeMap<u64, Process> = (1..=3).map(|id| (id, layout.spawn(id))).collect();
    for process in members.values_mut() {
        process.wait_for("open", PATIENCE).unwrap();
        process.say("write");
    }
    wait_for_new_acks(&mut members);
    for round in 0..4 {
        let leader = members.get_mut(&1).unwrap().leader();
        let silent_id = if round % 2 == 0 { leader } else { leader % 3 + 1 };
        let silent = members.remove(&silent_id).unwrap();
        // Its connections stay open, and nothing comes over them.
        silent.signal("STOP");
        let stopped = Instant::now();
        wait_for_new_acks(&mut members);
        let pause = stopped.elapsed();
        std::thread::sleep(Duration::from_millis(1500));
        silent.signal("CONT");
        members.insert(silent_id, silent);
        let resumed = Instant::now();
        wait_for_new_acks(&mut members);
        let role = if silent_id == leader { "leader" } else { "follower" };
        println!(
            "silent {role}: others paused {pause:?}, back after {:?}",
            resumed.elapsed()
        );
        assert!(pause < Duration::from_secs(3), "{pause:?}");
        assert!(resumed.elapsed() < Duration::from_secs(3), "{:?}", resumed.elapsed());
    }
    let mut acked = BTreeMap::new();
    for process in members.values_mut() {
        remember(&mut acked, process.acked.clone());
    }
    for (id, process) in &mut members {
        check(&process.report(), &acked, &format!("node {id}"));
    }
}
