//! Members that come to different tables, and members whose clocks differ: noticed, told, and kept from doing harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::support::{Cluster, Counting, REGISTERS, command, count_up, soon};
use raft_store::{
    ApplyError, Fault, NotExecuted, OpenError, ProposeError, StateMachine, Store, Transaction, WallClock,
};

/// Counts like the others, and once writes a row that the others do not have.
struct Skewed;

impl StateMachine for Skewed {
    fn apply(&self, index: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        if index == 30 {
            tables.put(REGISTERS, b"skew", b"!")?;
        }
        Counting.apply(index, command, tables)
    }
}

async fn fault_of(store: &Store) -> Fault {
    tokio::time::timeout(Duration::from_secs(20), store.failed())
        .await
        .expect("a fault")
}

async fn write(store: &Store, requests: std::ops::Range<u128>) {
    for request in requests {
        count_up(store, request, "k").await;
    }
}

/// Starts three members of which `skewed` runs the other machine.
async fn three(skewed: u64) -> Cluster {
    let mut cluster = Cluster::new(3);
    for id in 1..=3 {
        let machine: Arc<dyn StateMachine> = if id == skewed {
            Arc::new(Skewed)
        } else {
            Arc::new(Counting)
        };
        cluster.run_machine(cluster.config(id), machine).await;
    }
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
    }
    cluster
}

async fn the_skewed_one_stops(lead: bool) {
    let mut cluster = three(3).await;
    let target = if lead { 3 } else { 1 };
    cluster.store(2).transfer_leader(Some(target), soon()).await.unwrap();
    write(cluster.store(1), 0..25).await;
    assert_eq!(cluster.leader().await, target);
    let skewed = cluster.running.remove(&3).unwrap();
    let writing = cluster.store(2).clone();
    let load = tokio::spawn(async move { write(&writing, 25..120).await });
    let fault = fault_of(&skewed).await;
    assert!(matches!(fault, Fault::Diverged { index: 40.., .. }), "{fault}");
    println!("{fault}");
    skewed.shutdown(Duration::ZERO).await.unwrap_err();
    load.await.unwrap();
    assert_eq!(count_up(cluster.store(1), 999, "k").await, 121);
    let again = cluster.try_open(cluster.config(3)).await.err().unwrap();
    assert!(
        matches!(&again, OpenError::Quarantine { why, .. } if why.contains("majority")),
        "{again}"
    );
    if !lead {
        assert!(cluster.store(1).metrics().digests_differed > 0);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_with_other_tables_stops_and_its_folder_is_not_opened_again() {
    the_skewed_one_stops(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_other_tables_than_the_majority_stops() {
    the_skewed_one_stops(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_agree_through_checkpoints_restarts_and_a_snapshot() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    write(cluster.store(1), 0..450).await;
    cluster.start(3).await;
    cluster.store(3).read_barrier(soon()).await.unwrap();
    cluster.stop(2).await;
    cluster.start(2).await;
    write(cluster.store(1), 450..500).await;
    let until = soon();
    let agreed = |cluster: &Cluster| {
        cluster
            .running
            .values()
            .map(|store| store.metrics().digests_agreed)
            .sum::<u64>()
    };
    // Entries go on, because a leader that is new compares what comes after it.
    for more in 500.. {
        if agreed(&cluster) >= 2 {
            break;
        }
        assert!(Instant::now() < until, "nothing was compared");
        write(cluster.store(1), more..more + 1).await;
    }
    assert!(
        cluster
            .running
            .values()
            .all(|store| store.metrics().digests_differed == 0)
    );
    cluster.stop_all().await;
}

/// A clock that a test can push.
fn pushed(by: &Arc<AtomicI64>) -> WallClock {
    let by = by.clone();
    WallClock::new(move || {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        u64::try_from(real).unwrap().saturating_add_signed(by.load(SeqCst))
    })
}

async fn with_pushed_clock(id: u64) -> (Cluster, Arc<AtomicI64>) {
    let push = Arc::new(AtomicI64::new(0));
    let mut cluster = Cluster::new(3);
    for member in 1..=3 {
        let mut config = cluster.config(member);
        if member == id {
            config.wall_clock = pushed(&push);
        }
        cluster.run(config).await;
    }
    for (round, store) in cluster.running.values().enumerate() {
        count_up(store, round as u128, "k").await;
    }
    (cluster, push)
}

fn refused_for_its_clock(outcome: &Result<raft_store::Applied, ProposeError>) -> bool {
    let reason = NotExecuted::Clock;
    *outcome == Err(ProposeError::NotExecuted { reason })
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_5_a_member_whose_clock_jumps_ahead_proposes_nothing_until_it_is_right_again() {
    for leads in [false, true] {
        let (cluster, push) = with_pushed_clock(3).await;
        let target = if leads { 3 } else { 1 };
        cluster.store(2).transfer_leader(Some(target), soon()).await.unwrap();
        count_up(cluster.store(3), 10, "k").await;
        push.store(120_000, SeqCst);
        let outcome = cluster
            .store(3)
            .propose(command(11, "k"), Instant::now() + Duration::from_millis(1500))
            .await;
        assert!(refused_for_its_clock(&outcome), "{outcome:?}");
        let ahead = cluster.store(3).clock_ahead_ms().unwrap();
        assert!((100_000..140_000).contains(&ahead), "{ahead}");
        // The others are not held up, whoever leads.
        assert_eq!(count_up(cluster.store(1), 12, "k").await, 5);
        assert!(cluster.store(1).clock_ahead_ms().unwrap().abs() < 1000);
        push.store(0, SeqCst);
        assert_eq!(count_up(cluster.store(3), 13, "k").await, 6);
        cluster.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_5_what_a_wrong_clock_stamped_is_not_proposed_when_the_clock_is_right_again() {
    let (cluster, push) = with_pushed_clock(3).await;
    for target in [1, 3] {
        cluster.store(2).transfer_leader(Some(target), soon()).await.unwrap();
        count_up(cluster.store(3), 10, "k").await;
        push.store(3_600_000, SeqCst);
        let proposing = cluster.store(3).propose(command(11, "k"), soon());
        let mended = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            push.store(0, SeqCst);
        };
        let (outcome, ()) = tokio::join!(proposing, mended);
        assert!(refused_for_its_clock(&outcome), "{outcome:?}");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_5_a_member_that_starts_with_a_clock_behind_proposes_nothing() {
    let (mut cluster, _) = with_pushed_clock(3).await;
    cluster.stop(3).await;
    let mut config = cluster.config(3);
    config.wall_clock = pushed(&Arc::new(AtomicI64::new(-60_000)));
    cluster.run(config).await;
    let outcome = cluster
        .store(3)
        .propose(command(11, "k"), Instant::now() + Duration::from_millis(2500))
        .await;
    assert!(refused_for_its_clock(&outcome), "{outcome:?}");
    // It follows and votes all the same.
    cluster.store(3).read_barrier(soon()).await.unwrap();
    cluster.stop_all().await;
}
