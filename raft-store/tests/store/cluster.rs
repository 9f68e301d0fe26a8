//! Three members in one process, over real sockets and mutual TLS: forming, proposing, failing over, catching up.

use std::time::{Duration, Instant};

use crate::support::{Cluster, command, count_of, count_up, number, soon, wait_status};
use raft_store::{NotExecuted, ProposeError, ReadError, Role};

#[tokio::test(flavor = "multi_thread")]
async fn every_member_takes_proposals_and_shows_them() {
    let cluster = Cluster::formed(3).await;
    for (round, id) in [1, 2, 3, 1, 2, 3].into_iter().enumerate() {
        let store = cluster.store(id);
        assert_eq!(count_up(store, round as u128, "k").await, round as u64 + 1);
        assert_eq!(
            count_of(store, "k"),
            round as u64 + 1,
            "a member must show what it acknowledged"
        );
    }
    assert_eq!(count_up(cluster.store(2), 0, "k").await, 1, "the same request again");
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
        assert_eq!(count_of(store, "k"), 6);
        let status = store.status();
        assert_eq!(
            (status.voters.clone(), status.leader.is_some()),
            (vec![1, 2, 3], true),
            "{status:?}"
        );
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_and_reads_wait_out_the_death_of_a_leader() {
    let mut cluster = Cluster::formed(3).await;
    let mut total = 0;
    for round in 0..3 {
        let leader = cluster.leader().await;
        total += 1;
        assert_eq!(count_up(cluster.any(), total.into(), "k").await, total);
        cluster.stop(leader).await;
        let started = Instant::now();
        let (one, other) = {
            let mut survivors = cluster.running.values();
            (survivors.next().unwrap().clone(), survivors.next().unwrap().clone())
        };
        let (proposed, read) = tokio::join!(count_up(&one, u128::from(total) + 1, "k"), other.read_barrier(soon()));
        total += 1;
        let pause = started.elapsed();
        println!("round {round}: leader {leader} died, proposal and read done after {pause:?}");
        assert_eq!(proposed, total);
        read.unwrap();
        assert!(pause < Duration::from_secs(3), "failover took {pause:?}");
        cluster.start(leader).await;
        let returned = cluster.store(leader);
        returned.read_barrier(soon()).await.unwrap();
        assert_eq!(count_of(returned, "k"), total, "a restarted member catches up");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_far_behind_gets_a_snapshot_and_goes_on() {
    let mut cluster = Cluster::formed(3).await;
    let behind = cluster.follower_of(cluster.leader().await);
    cluster.stop(behind).await;
    let store = cluster.any().clone();
    let proposals = (0..1500_u128).map(|request| {
        let store = store.clone();
        tokio::spawn(async move { count_up(&store, request, &format!("k{}", request % 7)).await })
    });
    for proposal in proposals.collect::<Vec<_>>() {
        proposal.await.unwrap();
    }
    let until = soon();
    while cluster.running.values().any(|store| store.metrics().log_entries > 800) {
        assert!(Instant::now() < until, "the log was not purged: {:?}", store.metrics());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.start(behind).await;
    let returned = cluster.store(behind).clone();
    returned.read_barrier(soon()).await.unwrap();
    let seen = returned.metrics();
    assert_eq!(seen.snapshots_installed, 1);
    assert!(seen.snapshot_bytes_received > 0, "{seen:?}");
    assert_eq!(
        (0..7).map(|key| count_of(&returned, &format!("k{key}"))).sum::<u64>(),
        1500
    );
    assert!(count_up(&returned, 9999, "k0").await > 1);
    // What was installed survives a restart, and so does what came after it.
    cluster.stop(behind).await;
    cluster.start(behind).await;
    cluster.store(behind).read_barrier(soon()).await.unwrap();
    assert_eq!(
        (0..7)
            .map(|key| count_of(cluster.store(behind), &format!("k{key}")))
            .sum::<u64>(),
        1501
    );
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_neither_writes_nor_reads_and_recovers_by_itself() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    for id in [1, 2, 3].into_iter().filter(|id| *id != leader) {
        cluster.stop(id).await;
    }
    let alone = cluster.store(leader).clone();
    let deadline = Instant::now() + Duration::from_millis(1500);
    let (proposed, read) = tokio::join!(alone.propose(command(1, "k"), deadline), alone.read_barrier(deadline));
    // It may be in the log of the leader, unless the leader had missed the others' clocks by then.
    let unsure = Err(ProposeError::NotExecuted {
        reason: NotExecuted::Clock,
    });
    assert!(
        matches!(proposed, Err(ProposeError::Unknown { .. })) || proposed == unsure,
        "{proposed:?}"
    );
    assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{read:?}");
    assert!(deadline.elapsed() < Duration::from_millis(500));
    wait_status(&alone, "knows that nobody leads", |status| status.leader.is_none()).await;
    // By now the leader knows that it has no quorum, and takes nothing into its log any more.
    let deadline = Instant::now() + Duration::from_millis(300);
    let refused = alone.propose(command(2, "k"), deadline).await;
    assert!(
        matches!(
            refused,
            Err(ProposeError::NotExecuted {
                reason: NotExecuted::NoLeader | NotExecuted::Clock
            })
        ),
        "{refused:?}"
    );
    let missing = [1, 2, 3].into_iter().find(|id| *id != leader).unwrap();
    cluster.start(missing).await;
    let reply = alone.propose(command(3, "k"), soon()).await.unwrap().reply;
    assert!(
        (1..=2).contains(&number(&reply)),
        "the unknown proposal may have been applied"
    );
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_all_members_are_each_counted_once() {
    let mut cluster = Cluster::formed(3).await;
    cluster.limits.checkpoint_entries = 500;
    let clients: Vec<_> = (0..64_u128)
        .map(|client| {
            let store = cluster.store(u64::try_from(client % 3).unwrap() + 1).clone();
            tokio::spawn(async move {
                for number in 0..20 {
                    store
                        .propose(command(client * 1000 + number, "k"), soon())
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
        assert_eq!(count_of(store, "k"), 64 * 20);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_on_any_member_shows_what_was_acknowledged_before_across_failovers() {
    let mut cluster = Cluster::formed(3).await;
    let mut written = 0;
    for round in 0..4 {
        let writer = cluster.running.values().nth(round % 3).unwrap_or(cluster.any()).clone();
        for _ in 0..5 {
            written += 1;
            assert_eq!(count_up(&writer, written.into(), "k").await, written);
            for reader in cluster.running.values() {
                reader.read_barrier(soon()).await.unwrap();
                assert_eq!(count_of(reader, "k"), written, "round {round}");
            }
        }
        let leader = cluster.leader().await;
        cluster.stop(leader).await;
        written += 1;
        assert_eq!(count_up(cluster.any(), written.into(), "k").await, written);
        cluster.start(leader).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_hands_leadership_over_without_an_election_timeout() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let leaving = cluster.running.remove(&leader).unwrap();
    let started = Instant::now();
    let stopping = tokio::spawn(async move { leaving.shutdown(Duration::from_secs(3)).await });
    let next = cluster.leader().await;
    let handed_over = started.elapsed();
    println!("handed over from {leader} to {next} in {handed_over:?}");
    assert!(handed_over < Duration::from_millis(900), "{handed_over:?}");
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    stopping.await.unwrap().unwrap();
    assert_eq!(cluster.store(next).status().role, Role::Leader);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_a_quorum_stops_soon() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let alone = cluster.running.remove(&leader).unwrap();
    alone.propose(command(1, "k"), soon()).await.unwrap();
    let hanging = alone.clone();
    // One of them is on its way when the others stop.
    let hanging = tokio::spawn(async move {
        for id in 2.. {
            if let Err(error) = hanging.propose(command(id, "k"), soon()).await {
                return error;
            }
        }
        unreachable!("numbers do not end")
    });
    for id in cluster.running.keys().copied().collect::<Vec<_>>() {
        cluster.stop(id).await;
    }
    wait_status(&alone, "has the proposal in its log", |status| {
        status.last_log > status.committed
    })
    .await;
    let began = Instant::now();
    alone.shutdown(Duration::from_secs(15)).await.unwrap();
    println!("a leader without a quorum stopped within {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let outcome = hanging.await.unwrap();
    assert!(matches!(outcome, ProposeError::Unknown { .. }), "{outcome:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_after_the_stop_or_too_large_is_not_executed() {
    let mut cluster = Cluster::formed(1).await;
    let store = cluster.any().clone();
    let large = vec![0; raft_store::COMMAND_BYTES_MAX + 1];
    let refused = store.propose(large.into(), soon()).await;
    assert_eq!(
        refused,
        Err(ProposeError::NotExecuted {
            reason: NotExecuted::TooLarge
        })
    );
    let largest = vec![7; raft_store::COMMAND_BYTES_MAX];
    store.propose(largest.into(), soon()).await.unwrap();
    cluster.stop(1).await;
    let read = store.read_barrier(soon()).await;
    assert_eq!(
        read,
        Err(ReadError::Unavailable {
            reason: "this node is shutting down".into()
        })
    );
    let refused = store.propose(command(1, "k"), soon()).await;
    assert_eq!(
        refused,
        Err(ProposeError::NotExecuted {
            reason: NotExecuted::ShuttingDown
        })
    );
    cluster.start(1).await;
    wait_status(cluster.any(), "leads again", |status| status.role == Role::Leader).await;
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_without_a_leader_says_so() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower_of(leader);
    let alone = cluster.store(follower).clone();
    // From here on its clock has been compared with a quorum's: a lack of that would be the reason otherwise.
    assert_eq!(count_up(&alone, 1, "k").await, 1);
    for id in [1, 2, 3].into_iter().filter(|id| *id != follower) {
        cluster.stop(id).await;
    }
    wait_status(&alone, "knows that nobody leads", |status| status.leader.is_none()).await;
    let refused = alone
        .propose(command(2, "k"), Instant::now() + Duration::from_millis(200))
        .await;
    assert_eq!(
        refused,
        Err(ProposeError::NotExecuted {
            reason: NotExecuted::NoLeader
        })
    );
    cluster.start(leader).await;
    assert_eq!(count_up(&alone, 3, "k").await, 2);
    cluster.stop_all().await;
}
