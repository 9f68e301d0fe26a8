//! What the store refuses: folders, ports and members that are not what they should be.

use std::time::{Duration, Instant};

use crate::support::{Authority, Cluster, command, count_up, soon, wait_status};
use raft_store::{NotExecuted, OpenError, ProposeError, ReadError, Role, Store};

/// Time in which a working cluster of this size would long have answered.
const LONG_ENOUGH: Duration = Duration::from_millis(2500);

async fn cannot_take_part(store: &Store) {
    let deadline = Instant::now() + LONG_ENOUGH;
    let (proposed, read) = tokio::join!(store.propose(command(77, "x"), deadline), store.read_barrier(deadline));
    assert_eq!(
        proposed,
        Err(ProposeError::NotExecuted {
            reason: NotExecuted::NoLeader
        })
    );
    assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{read:?}");
    assert_eq!(store.status().last_log, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_cluster_is_refused() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    std::fs::remove_dir_all(cluster.data_dir(3)).unwrap();
    let mut config = cluster.config(3);
    config.cluster_id = [9; 16];
    let stranger = cluster.try_open(config).await.unwrap();
    cannot_take_part(&stranger).await;
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    stranger.shutdown(Duration::ZERO).await.unwrap();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused_in_both_directions() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    let (foreign, mut config) = (Authority::new(), cluster.config(3));
    // It trusts our CA and has our data, but its own certificate is of another CA.
    config.tls = foreign.papers_trusting("node-3", &cluster.authority).tls();
    let stranger = cluster.try_open(config).await.unwrap();
    let deadline = Instant::now() + LONG_ENOUGH;
    assert!(stranger.read_barrier(deadline).await.is_err());
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    stranger.shutdown(Duration::ZERO).await.unwrap();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_member_or_client_is_refused() {
    let mut cluster = Cluster::formed(3).await;
    cluster.stop(3).await;
    for name in ["node-2", "lb"] {
        let mut config = cluster.config(3);
        config.tls = cluster.authority.tls(name);
        let stranger = cluster.try_open(config).await.unwrap();
        let deadline = Instant::now() + LONG_ENOUGH;
        assert!(
            stranger.read_barrier(deadline).await.is_err(),
            "with the certificate of {name}"
        );
        stranger.shutdown(Duration::ZERO).await.unwrap();
    }
    cluster.start(3).await;
    cluster.store(3).read_barrier(soon()).await.unwrap();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_folder_does_not_come_back_under_its_id() {
    let mut cluster = Cluster::formed(3).await;
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop(1).await;
    std::fs::remove_dir_all(cluster.data_dir(1)).unwrap();
    // It is the one told to form the cluster: it must not form a second one either.
    cluster.start(1).await;
    cannot_take_part(cluster.store(1)).await;
    assert_eq!(cluster.store(1).status().role, Role::Learner);
    let survivor = cluster.follower_of(1);
    assert_eq!(count_up(cluster.store(survivor), 2, "k").await, 2);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_forms_only_when_all_members_are_there() {
    let mut cluster = Cluster::new(3);
    cluster.start(1).await;
    cluster.start(2).await;
    cannot_take_part(cluster.store(1)).await;
    cluster.start(3).await;
    for store in cluster.running.values() {
        wait_status(store, "in the cluster", |status| status.voters == [1, 2, 3]).await;
        store.read_barrier(soon()).await.unwrap();
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_of_another_node_or_cluster_and_a_port_in_use_are_refused() {
    let mut cluster = Cluster::formed(1).await;
    let locked = cluster.try_open(cluster.config(1)).await.err().unwrap();
    assert!(matches!(locked, OpenError::Locked(_)), "{locked}");
    let mut config = cluster.config(1);
    config.data_dir = cluster.folder.path().join("other");
    let taken = cluster.try_open(config).await.err().unwrap();
    assert!(matches!(taken, OpenError::Listen { .. }), "{taken}");
    cluster.stop(1).await;
    let mut config = cluster.config(1);
    config.cluster_id = [9; 16];
    let other = cluster.try_open(config).await.err().unwrap();
    assert!(matches!(other, OpenError::WrongCluster { .. }), "{other}");
    let mut config = cluster.config(1);
    (config.node_id, config.members[0].id) = (Some(2), 2);
    let other = cluster.try_open(config).await.err().unwrap();
    assert!(
        matches!(
            other,
            OpenError::WrongNode {
                found: 1,
                configured: 2,
                ..
            }
        ),
        "{other}"
    );
    cluster.start(1).await;
    cluster.any().read_barrier(soon()).await.unwrap();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clashing_settings_are_refused_by_name() {
    let cluster = Cluster::new(3);
    let text = async |change: &dyn Fn(&mut raft_store::Config)| {
        let mut config = cluster.config(1);
        change(&mut config);
        cluster.try_open(config).await.err().unwrap().to_string()
    };
    let clash = text(&|config| config.timing.election_max = config.timing.election_min).await;
    assert!(
        clash.contains("election_max") && clash.contains("election_min"),
        "{clash}"
    );
    let clash = text(&|config| config.members[2].id = 1).await;
    assert!(clash.contains("share an id"), "{clash}");
    let clash = text(&|config| config.name = "node-9".into()).await;
    assert!(clash.contains("node-9") && clash.contains("node-1"), "{clash}");
}
