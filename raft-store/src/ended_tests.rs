//! What callers hear of a member whose consensus has ended while its process goes on, as after a failed disk: a typed error at
//! once, and nothing is tried again and again until somebody's deadline.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::watch;

use crate::propose::Proposer;
use crate::read::Barriers;
use crate::store::Inner;
use crate::support::{Cluster, PATIENCE, command, count_up, soon};
use crate::{Fault, NotExecuted, ProposeError, ReadError};

static COMMAND: LazyLock<Bytes> = LazyLock::new(|| command(2, "key"));

/// Whom a member may have believed in at last.
const BELIEVED: [Option<u64>; 3] = [None, Some(1), Some(2)];

/// A member that has worked; its consensus is gone, and nobody tells any more who leads.
async fn ended() -> Cluster {
    let cluster = Cluster::formed(1).await;
    count_up(cluster.store(1), 1, "key").await;
    let inner = &cluster.store(1).inner;
    inner.raft.shutdown().await.unwrap();
    let mut leader = inner.leader.clone();
    let told = async { while leader.changed().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    cluster
}

/// The member's own, told by somebody else who leads.
fn proposer(inner: &Inner, leader: watch::Receiver<Option<u64>>) -> Proposer {
    let own = &inner.proposer;
    Proposer {
        me: own.me,
        local: own.local.clone(),
        links: own.links.clone(),
        leader,
        seen: own.seen.clone(),
        closing: own.closing.clone(),
        permits: own.permits.clone(),
        permits_max: own.permits_max,
        counters: own.counters.clone(),
        judgement: own.judgement.clone(),
    }
}

fn barriers(inner: &Inner, leader: watch::Receiver<Option<u64>>) -> Barriers {
    Barriers::start(
        1,
        inner.raft.clone(),
        inner.links.clone(),
        leader,
        inner.closing.subscribe(),
        inner.state.seen(),
        inner.counters.clone(),
    )
}

/// Nobody tells any more who leads; this was told last.
fn last_told(leader: Option<u64>) -> watch::Receiver<Option<u64>> {
    watch::channel(leader).1
}

fn is_shutting_down(result: Result<crate::Applied, ProposeError>) -> bool {
    let reason = NotExecuted::ShuttingDown;
    result == Err(ProposeError::NotExecuted { reason })
}

fn is_unavailable(result: Result<u64, ReadError>) -> bool {
    let reason = "this node is shutting down".to_owned();
    result == Err(ReadError::Unavailable { reason })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_ends_with_consensus_and_is_not_tried_again() {
    let cluster = ended().await;
    let inner = Arc::clone(&cluster.store(1).inner);
    let retried = || inner.counters.proposals_retried.load(Relaxed);
    let before = retried();
    assert!(is_shutting_down(
        cluster.store(1).propose(COMMAND.clone(), soon()).await
    ));
    for leader in BELIEVED {
        let proposer = proposer(&inner, last_told(leader));
        let ended = proposer.propose(COMMAND.clone(), soon()).await;
        assert!(is_shutting_down(ended), "{leader:?} was believed in");
    }
    // It ends while one waits for a leader.
    let (leader, told) = watch::channel(None);
    let proposer = proposer(&inner, told);
    let mut waiting = Box::pin(proposer.propose(COMMAND.clone(), soon()));
    assert!(waiting.as_mut().now_or_never().is_none(), "a leader may still come");
    drop(leader);
    assert!(is_shutting_down(waiting.await));
    assert_eq!(retried(), before);
    let fault = cluster.store(1).shutdown(std::time::Duration::ZERO).await.unwrap_err();
    assert!(matches!(fault, Fault::Consensus(_)), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_ends_with_consensus_and_asks_nobody_again_and_again() {
    let cluster = ended().await;
    let inner = Arc::clone(&cluster.store(1).inner);
    let rounds = || inner.counters.read_rounds.load(Relaxed);
    let before = rounds();
    assert!(is_unavailable(cluster.store(1).read_barrier(soon()).await));
    assert!(rounds() <= before + 1, "one round may find out");
    for leader in BELIEVED {
        let before = rounds();
        let barriers = barriers(&inner, last_told(leader));
        for _ in 0..3 {
            assert!(
                is_unavailable(barriers.wait(soon()).await),
                "{leader:?} was believed in"
            );
        }
        assert!(rounds() <= before + 1, "{} rounds with {leader:?}", rounds() - before);
    }
    // It ends while one waits for a leader: the round that runs then, and one that finds out.
    let (leader, told) = watch::channel(None);
    let barriers = barriers(&inner, told);
    let mut waiting = Box::pin(barriers.wait(soon()));
    assert!(waiting.as_mut().now_or_never().is_none(), "a leader may still come");
    drop(leader);
    let before = rounds();
    assert!(is_unavailable(waiting.await));
    assert!(rounds() <= before + 2, "{} rounds", rounds() - before);
    let fault = cluster.store(1).shutdown(std::time::Duration::ZERO).await.unwrap_err();
    assert!(matches!(fault, Fault::Consensus(_)), "{fault}");
}
