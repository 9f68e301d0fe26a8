//! A leader dies between the two entries of a change of the voters. What consensus does with the second one is not left to
//! chance: the future that would write it is never polled again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::Precondition;

use super::command::System;
use super::look::{Change, Look};
use super::operation::Outcome;
use super::reconcile::{Next, next};
use super::{Part, rows};
use crate::support::{Cluster, count_up, soon, wait_status};
use crate::{Config, Store, Timing};

/// A leader that nobody answers believes in itself for this long: time enough to begin a change.
const SLOW: Timing = Timing {
    heartbeat: Duration::from_millis(100),
    election_min: Duration::from_millis(4000),
    election_max: Duration::from_millis(6000),
};

/// A cluster of three, a node that is about to take the place of one of them, and its leader.
struct Scene {
    cluster: Cluster,
    configs: BTreeMap<u64, Config>,
    leader: u64,
    old: u64,
    new: u64,
}

impl Scene {
    async fn set(timing: Timing) -> Self {
        let mut cluster = Cluster::new(3);
        let mut configs = BTreeMap::new();
        for id in 1..=3 {
            let config = Config {
                timing,
                ..cluster.config(id)
            };
            configs.insert(id, config.clone());
            cluster.run(config).await;
        }
        cluster.any().read_barrier(soon()).await.unwrap();
        let leader = cluster.leader().await;
        let old = cluster.follower_of(leader);
        let token = cluster.token(None).await;
        let config = Config {
            timing,
            ..cluster.joiner("node-9", "nine", Some(token))
        };
        let new = cluster.run(config.clone()).await;
        configs.insert(new, config);
        let scene = Self {
            cluster,
            configs,
            leader,
            old,
            new,
        };
        wait_status(scene.leader(), "has a learner", |status| status.learners == [new]).await;
        scene
    }

    fn leader(&self) -> &Store {
        self.cluster.store(self.leader)
    }

    /// The voters at the end.
    fn voters(&self) -> Vec<u64> {
        let mut voters: Vec<u64> = (1..=3).filter(|id| *id != self.old).chain([self.new]).collect();
        voters.sort_unstable();
        voters
    }

    fn others(&self) -> Vec<u64> {
        self.configs.keys().copied().filter(|id| *id != self.leader).collect()
    }

    async fn start(&mut self, id: u64) {
        let config = self.configs[&id].clone();
        assert_eq!(self.cluster.run(config).await, id);
    }

    /// What the loop of the leader would do next, once it is the swap of the voters. The caller keeps that loop out.
    async fn swap(&self) -> (Look, Change) {
        let lead = &self.leader().inner.operator.lead;
        let command = System::Promote {
            id: self.new,
            replaces: Some(self.old),
        };
        assert!(matches!(lead.write(&command).await, Outcome::Done { .. }));
        let mut metrics = lead.raft.metrics();
        loop {
            let look = lead.look();
            let rows = rows::nodes(&lead.state.view()).unwrap();
            match next(self.leader, &look, &rows) {
                Next::Change { change, .. } => return (look, change),
                Next::Nothing => metrics.changed().await.unwrap(),
                Next::HandOver => panic!("the leader stays"),
            }
        }
    }

    /// Nobody is half way between two sets of voters, the old id is out, and the cluster works.
    async fn is_whole(&self, ids: &[u64]) {
        let voters = self.voters();
        for id in ids {
            let what = format!("sees the voters {voters:?}");
            wait_status(self.cluster.store(*id), &what, |status| status.voters == voters).await;
            let store = self.cluster.store(*id);
            store.read_barrier(soon()).await.unwrap();
            let look = store.inner.operator.lead.look();
            assert_eq!(look.membership.get_joint_config().len(), 1, "node {id}");
            let info = store.cluster_info(soon()).await.unwrap();
            assert!(!info.changing, "{info:?}");
            let parts: Vec<(u64, Part)> = info.members.iter().map(|member| (member.id, member.part)).collect();
            let expected: Vec<(u64, Part)> = voters.iter().map(|id| (*id, Part::Voter)).collect();
            assert_eq!(parts, expected, "as node {id} is told");
            count_up(store, u128::from(*id) << 64 | u128::from(store.status().term), "k").await;
        }
    }
}

/// Whether the change of the voters is between its two entries, as a member sees it.
fn is_half(store: &Store) -> bool {
    let look = store.inner.operator.lead.look();
    look.membership.get_joint_config().len() == 2
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_finishes_a_change_of_which_only_the_first_entry_is_there() {
    let mut scene = Scene::set(Timing::default()).await;
    let lead = scene.leader().inner.operator.lead.clone();
    let loop_is_out = lead.changing.clone().lock_owned().await;
    let (look, change) = scene.swap().await;
    let unchanged = Precondition::LastMembershipLogId {
        last_membership_log_id: look.at,
    };
    let mut changing = Box::pin(lead.raft.change_membership_if(change, false, [unchanged]));
    assert!(changing.as_mut().now_or_never().is_none(), "only asked for");
    // All members have the first entry, committed and applied.
    let union: Vec<u64> = scene.configs.keys().copied().collect();
    wait_status(scene.leader(), "has begun", |status| status.voters == union).await;
    let first = lead.look().at.unwrap().index;
    for store in scene.cluster.running.values() {
        wait_status(store, "has applied the first entry", |status| status.applied >= first).await;
        assert!(is_half(store), "{:?}", store.status());
    }
    let dead = scene.leader;
    scene.cluster.stop(dead).await;
    drop((changing, loop_is_out));

    let (new, old) = (scene.new, scene.old);
    let third = 6 - dead - old;
    scene.is_whole(&[third, new]).await;
    scene.cluster.stop(old).await;
    scene.start(dead).await;
    scene.is_whole(&[dead, third, new]).await;
    scene.cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_entry_that_died_with_its_leader_is_taken_back_and_the_change_made_anew() {
    let mut scene = Scene::set(SLOW).await;
    let lead = scene.leader().inner.operator.lead.clone();
    let loop_is_out = lead.changing.clone().lock_owned().await;
    let (look, change) = scene.swap().await;
    let others = scene.others();
    let stopping: FuturesUnordered<_> = others
        .iter()
        .map(|id| scene.cluster.running.remove(id).unwrap())
        .map(|store| async move { store.shutdown(Duration::ZERO).await.unwrap() })
        .collect();
    stopping.collect::<Vec<()>>().await;
    let unchanged = Precondition::LastMembershipLogId {
        last_membership_log_id: look.at,
    };
    let mut changing = Box::pin(lead.raft.change_membership_if(change, false, [unchanged]));
    assert!(changing.as_mut().now_or_never().is_none(), "only asked for");
    let mut metrics = lead.raft.metrics();
    while !is_half(scene.leader()) {
        metrics.changed().await.unwrap();
    }
    let lost = lead.look().at.unwrap();
    assert!(scene.leader().status().committed < lost.index, "nobody else has it");
    let dead = scene.leader;
    scene.cluster.stop(dead).await;
    drop((changing, loop_is_out));

    for id in others {
        scene.start(id).await;
    }
    let (new, old) = (scene.new, scene.old);
    let third = 6 - dead - old;
    scene.is_whole(&[third, new]).await;
    scene.cluster.stop(old).await;
    scene.start(dead).await;
    scene.is_whole(&[dead, third, new]).await;
    let at = scene.cluster.store(dead).inner.operator.lead.look().at.unwrap();
    assert!(
        at.leader_id > lost.leader_id,
        "the entry of the dead leader is gone: {at} {lost}"
    );
    scene.cluster.stop_all().await;
}
