//! Who belongs to the cluster: forming, joining by token, replacing, removing, upgrading, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::support::{Cluster, command, count_of, count_up, soon, wait_status};
use raft_store::{Join, JoinToken, OpenError, OperationError, Part, Role, Store, Versions};

/// Waits until a member knows that it was removed.
async fn wait_removed(store: &Store) -> String {
    let until = soon();
    loop {
        if let Some(text) = store.removal() {
            return text;
        }
        assert!(Instant::now() < until, "{:?}", store.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, OperationError>) -> String {
    match result {
        Err(OperationError::Refused(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

async fn join_refusal(cluster: &Cluster, config: raft_store::Config) -> String {
    match cluster.try_open(config).await {
        Err(OpenError::JoinRefused(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(store) => panic!("let in: {:?}", store.status()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_forms_the_cluster_once_and_only_of_new_members() {
    let mut cluster = Cluster::new(3);
    let config = |cluster: &Cluster, id| {
        let mut config = cluster.config(id);
        config.initialize = false;
        config
    };
    cluster.run(config(&cluster, 1)).await;
    cluster.run(config(&cluster, 2)).await;
    let one = cluster.store(1).clone();
    let now = Instant::now();
    assert!(refusal(one.form_cluster(4, None, now).await).contains("4 members are expected"));
    assert!(refusal(one.form_cluster(3, Some([9; 16]), now).await).contains("c1c1"));
    let missing = one.form_cluster(3, None, now).await;
    assert!(
        matches!(&missing, Err(OperationError::Unfinished(text)) if text.contains("node 3")),
        "{missing:?}"
    );
    let mut alone = config(&cluster, 3);
    alone.members.remove(1);
    cluster.run(alone).await;
    let until = Instant::now() + Duration::from_secs(5);
    assert!(refusal(one.form_cluster(3, None, until).await).contains("other members"));
    cluster.stop(3).await;
    cluster.run(config(&cluster, 3)).await;
    assert!(
        one.form_cluster(3, None, soon())
            .await
            .unwrap()
            .contains("nodes [1, 2, 3]")
    );
    cluster.wait_voters(&[1, 2, 3]).await;
    for id in [1, 2] {
        let again = cluster.store(id).form_cluster(3, None, soon()).await;
        assert!(refusal(again).contains("in a cluster already"));
    }
    assert_eq!(count_up(cluster.store(2), 1, "k").await, 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_by_a_token_once_and_votes_when_told() {
    let mut cluster = Cluster::formed(3).await;
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    let join = cluster.token(None).await;
    let config = cluster.joiner("node-4", "four", Some(join.clone()));
    let id = cluster.run(config.clone()).await;
    assert!(
        id > raft_store::FOUNDER_ID_MAX,
        "an index of the log, above founding ids"
    );
    cluster.store(id).read_barrier(soon()).await.unwrap();
    assert_eq!(count_of(cluster.store(id), "k"), 1);
    let info = cluster.store(id).cluster_info(soon()).await.unwrap();
    let me = info.members.iter().find(|member| member.id == id).unwrap();
    assert_eq!((me.part, me.name.as_str()), (Part::Learner, "node-4"));
    // The token is used, for a folder of another node.
    let second = cluster.joiner("node-5", "five", Some(join.clone()));
    assert!(
        join_refusal(&cluster, second)
            .await
            .contains(&format!("used by node {id}"))
    );
    let unknown = Join::Token(JoinToken::parse(&format!("tfauth-join-{}", "ab".repeat(32))).unwrap());
    let stranger = cluster.joiner("node-5", "six", Some(unknown));
    assert!(join_refusal(&cluster, stranger).await.contains("not known"));
    let token = cluster.token(None).await;
    let same_name = cluster.joiner("node-4", "seven", Some(token));
    assert!(join_refusal(&cluster, same_name).await.contains("has the name"));
    // The same folder comes back as the same node, whatever the configuration still says.
    cluster.stop(id).await;
    assert_eq!(cluster.run(config).await, id);
    cluster.any().add_voter(id, None, soon()).await.unwrap();
    cluster.any().add_voter(id, None, soon()).await.unwrap();
    cluster.wait_voters(&[1, 2, 3, id]).await;
    assert_eq!(count_up(cluster.store(id), 2, "k").await, 2);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_lets_nobody_in() {
    let cluster = Cluster::formed(1).await;
    let token = cluster.any().add_join_token(Duration::from_millis(1), None, soon());
    let token = Join::Token(token.await.unwrap());
    tokio::time::sleep(Duration::from_millis(5)).await;
    let late = cluster.joiner("node-4", "four", Some(token));
    assert!(join_refusal(&cluster, late).await.contains("expired"));
    let long = cluster
        .any()
        .add_join_token(Duration::from_secs(3600 * 24 * 30), None, soon());
    assert!(refusal(long.await).contains("hours"));
    let stranger = cluster.any().add_join_token(Duration::from_secs(9), Some(77), soon());
    assert!(refusal(stranger.await).contains("node 77 is not a member"));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_are_replaced_one_after_the_other_under_load() {
    let mut cluster = Cluster::formed(3).await;
    let done = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let client = {
        let (store, done, acknowledged) = (cluster.store(1).clone(), done.clone(), acknowledged.clone());
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            for request in 0.. {
                if done.load(SeqCst) {
                    return (request, longest);
                }
                let began = Instant::now();
                store.propose(command(request, "k"), soon()).await.unwrap();
                acknowledged.fetch_add(1, SeqCst);
                longest = longest.max(began.elapsed());
            }
            unreachable!("a u128 does not end")
        })
    };
    let mut voters = vec![1, 2, 3];
    for old in [2, 3] {
        let name = format!("node-{old}");
        cluster.stop(old).await;
        let token = cluster.token(Some(old)).await;
        let new = cluster
            .run(cluster.joiner(&name, &format!("new-{old}"), Some(token)))
            .await;
        voters.retain(|voter| *voter != old);
        voters.push(new);
        cluster.wait_voters(&voters).await;
        assert_eq!(cluster.store(new).status().name, name);
        // The old folder comes back to life.
        let mut ghost = cluster.config(old);
        (ghost.listen, ghost.initialize) = (crate::support::free_addresses(1)[0], false);
        let ghost = cluster.try_open(ghost).await.unwrap();
        assert!(
            wait_removed(&ghost)
                .await
                .contains(&format!("node id {old} was removed"))
        );
        ghost.shutdown(Duration::ZERO).await.unwrap();
        let again = cluster.any().add_join_token(Duration::from_secs(9), Some(old), soon());
        assert!(refusal(again.await).contains("removed already"));
    }
    done.store(true, SeqCst);
    let (requests, longest) = client.await.unwrap();
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
        assert_eq!(u128::from(count_of(store, "k")), requests);
    }
    println!("{requests} proposals while two members were replaced, none failed, longest {longest:?}");
    assert!(requests > 20, "too little happened");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_founder_joins_anew_although_its_configuration_has_an_id() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    std::fs::remove_dir_all(cluster.data_dir(3)).unwrap();
    // It was started once without a token, and waits in vain.
    cluster.start(3).await;
    cluster.stop(3).await;
    let mut config = cluster.config(3);
    config.join = Some(cluster.token(Some(3)).await);
    let id = cluster.run(config.clone()).await;
    assert_ne!(id, 3);
    cluster.wait_voters(&[1, 2, id]).await;
    cluster.stop(id).await;
    config.join = None;
    assert_eq!(cluster.run(config).await, id, "its folder knows");
    cluster.store(id).read_barrier(soon()).await.unwrap();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_comes_back_by_itself_in_its_own_place_and_only_one_at_a_time() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    let own_place = Some(Join::Replace { old: 3 });
    let foreign = cluster.joiner("node-9", "nine", own_place.clone());
    assert!(
        join_refusal(&cluster, foreign)
            .await
            .contains("an operator has to make a token")
    );
    let id = cluster.run(cluster.joiner("node-3", "three", own_place)).await;
    cluster.wait_voters(&[1, 2, id]).await;
    cluster.stop(2).await;
    let soon_after = cluster.joiner("node-2", "two", Some(Join::Replace { old: 2 }));
    assert!(join_refusal(&cluster, soon_after).await.contains("only one per 600 s"));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_keeps_a_quorum_and_is_for_ever() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower_of(leader);
    let third = 6 - leader - follower;
    cluster.stop(third).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let left = refusal(cluster.store(leader).remove_member(follower, soon()).await);
    assert!(left.contains("no quorum"), "{left}");
    cluster.store(leader).remove_member(third, soon()).await.unwrap();
    cluster.store(leader).remove_member(third, soon()).await.unwrap();
    let mut voters = vec![leader, follower];
    voters.sort_unstable();
    cluster.wait_voters(&voters).await;
    assert!(refusal(cluster.store(leader).remove_member(99, soon()).await).contains("not a member"));
    // The leader itself: another one leads first.
    let third_again = cluster.joiner(&format!("node-{third}"), "again", Some(cluster.token(None).await));
    let new = cluster.run(third_again).await;
    cluster.store(leader).add_voter(new, None, soon()).await.unwrap();
    let leader = cluster.leader().await;
    cluster.store(leader).remove_member(leader, soon()).await.unwrap();
    wait_removed(cluster.store(leader)).await;
    let gone = cluster.running.remove(&leader).unwrap();
    gone.shutdown(Duration::ZERO).await.unwrap();
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_where_an_operator_wants_it() {
    let cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let target = cluster.follower_of(leader);
    let third = 6 - leader - target;
    // Asked for at a member that is neither.
    cluster
        .store(third)
        .transfer_leader(Some(target), soon())
        .await
        .unwrap();
    wait_status(cluster.store(target), "leads", |status| status.role == Role::Leader).await;
    assert!(refusal(cluster.store(third).transfer_leader(Some(99), soon()).await).contains("no vote"));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_version_is_raised_when_every_member_speaks_it_and_never_lowered() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    let mut old = cluster.config(3);
    old.versions = Versions { min: 1, max: 1 };
    cluster.run(old.clone()).await;
    cluster.store(3).read_barrier(soon()).await.unwrap();
    let early = refusal(cluster.store(1).upgrade_cluster(2, soon()).await);
    assert!(early.contains("node 3 (node-3) speaks 1 to 1"), "{early}");
    cluster.stop(3).await;
    cluster.start(3).await;
    cluster.store(3).read_barrier(soon()).await.unwrap();
    let until = soon();
    while let Err(error) = cluster.store(1).upgrade_cluster(2, soon()).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
        assert_eq!(raft_store::cluster_version(&store.view()), Ok(2));
    }
    assert!(refusal(cluster.store(1).upgrade_cluster(1, soon()).await).contains("never lowered"));
    cluster.stop(3).await;
    // With tables that are older than the change, the others refuse it; it has no say, and learns why.
    let outdated = cluster.try_open(old.clone()).await;
    let outdated = match outdated {
        Err(OpenError::ClusterVersion { cluster: 2, max: 1, .. }) => None,
        // The entry that raised it lies behind the last checkpoint.
        Err(OpenError::Consensus(text)) => {
            assert!(text.contains("speaks up to 1: upgrade it"), "{text}");
            None
        }
        Err(other) => panic!("{other}"),
        Ok(store) => Some(store),
    };
    if let Some(store) = outdated {
        let read = store.read_barrier(Instant::now() + Duration::from_secs(1)).await;
        assert!(read.is_err(), "{read:?}");
        store.shutdown(Duration::ZERO).await.ok();
    }
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}
