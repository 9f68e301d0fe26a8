//! A crash at any step of a replacement leaves something that goes on by itself, or when the same is asked again.

use std::time::{Duration, Instant};

use crate::support::{Cluster, count_up, soon};
use raft_store::{Config, OpenError, Part};

/// Where the leader dies.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The new node has an id.
    Joined,
    /// It receives entries.
    Learner,
    /// The change of the voters was seen by somebody.
    Changed,
}

async fn wait_step(cluster: &Cluster, step: Step, id: u64, old: u64) {
    let until = soon();
    loop {
        let reached = match step {
            Step::Joined => true,
            Step::Learner => {
                let info = cluster.any().cluster_info(soon()).await.unwrap();
                let part = info
                    .members
                    .iter()
                    .find(|member| member.id == id)
                    .map(|member| member.part);
                part.is_some_and(|part| part != Part::Joining)
            }
            Step::Changed => cluster.running.values().any(|store| {
                let voters = store.status().voters;
                voters.contains(&id) || !voters.contains(&old)
            }),
        };
        if reached {
            return;
        }
        assert!(Instant::now() < until, "{step:?} was not reached");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_finishes_a_replacement_whose_leader_died() {
    let mut cluster = Cluster::formed(5).await;
    let mut voters: Vec<u64> = vec![1, 2, 3, 4, 5];
    for (round, step) in [Step::Joined, Step::Learner, Step::Changed].into_iter().enumerate() {
        let leader = cluster.leader().await;
        let old = *voters.iter().find(|id| **id != leader && **id <= 5).unwrap();
        cluster.stop(old).await;
        let token = cluster.token(Some(old)).await;
        let config = cluster.joiner(&format!("node-{old}"), &format!("new-{round}"), Some(token));
        let id = cluster.run(config).await;
        wait_step(&cluster, step, id, old).await;
        cluster.stop(leader).await;
        let began = Instant::now();
        voters.retain(|voter| *voter != old);
        voters.push(id);
        voters.sort_unstable();
        cluster.wait_voters(&voters).await;
        println!(
            "{step:?}: leader {leader} died, node {id} has the place of {old} after {:?}",
            began.elapsed()
        );
        restart(&mut cluster, leader, &voters).await;
    }
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}

/// Founding members only: those that joined are never the leader that dies here, unless they were elected.
async fn restart(cluster: &mut Cluster, id: u64, voters: &[u64]) {
    let config = known_config(cluster, id);
    assert_eq!(cluster.run(config).await, id);
    cluster.wait_voters(voters).await;
}

fn known_config(cluster: &Cluster, id: u64) -> Config {
    cluster.configs.get(&id).cloned().unwrap_or_else(|| cluster.config(id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_while_it_joined_gets_the_same_id_again() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    let token = cluster.token(Some(3)).await;
    let config = cluster.joiner("node-3", "three", Some(token));
    // The leader lets it in, and it cannot write its id down.
    let obstacle = config.data_dir.join("identity.tmp");
    std::fs::create_dir_all(&obstacle).unwrap();
    let died = cluster.try_open(config.clone()).await.err().unwrap();
    assert!(matches!(died, OpenError::Io { .. }), "{died}");
    std::fs::remove_dir(obstacle).unwrap();
    let info = cluster.any().cluster_info(soon()).await.unwrap();
    let id = info.members.iter().map(|member| member.id).max().unwrap();
    assert!(id > 3, "{info:?}");
    assert_eq!(cluster.run(config.clone()).await, id, "the same token, the same id");
    cluster.wait_voters(&[1, 2, id]).await;
    // A node that lost the folder as well is another one: the id is burnt, an operator gives its place away again.
    cluster.stop(id).await;
    std::fs::remove_dir_all(&config.data_dir).unwrap();
    let mut again = config;
    again.join = Some(cluster.token(Some(id)).await);
    let next = cluster.run(again).await;
    assert!(next > id);
    cluster.wait_voters(&[1, 2, next]).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_never_came_back_gives_way_to_the_next() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    let first = cluster.joiner("node-3", "first", Some(cluster.token(Some(3)).await));
    // It dies before it can catch up, for good.
    let lost = cluster.run(first).await;
    let lost_store = cluster.running.remove(&lost).unwrap();
    lost_store.shutdown(Duration::ZERO).await.unwrap();
    let info = cluster.any().cluster_info(soon()).await.unwrap();
    let replaced_already = info
        .members
        .iter()
        .any(|member| member.id == lost && member.part == Part::Voter);
    let old = if replaced_already { lost } else { 3 };
    let second = cluster.joiner("node-3", "second", Some(cluster.token(Some(old)).await));
    let next = cluster.run(second).await;
    cluster.wait_voters(&[1, 2, next]).await;
    let info = cluster.any().cluster_info(soon()).await.unwrap();
    assert!(
        info.members.iter().all(|member| member.id != lost && member.id != 3),
        "{info:?}"
    );
    cluster.stop_all().await;
}
