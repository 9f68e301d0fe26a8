//! A real one-member cluster in a test's folder. For tests only.

use super::Replication;
use crate::telemetry::metrics::Metrics;
use crate::tls::testing::Authority;
use raft_store::{Config, Limits, Member, PeerTls, Timing};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

/// Longest time that a one-member cluster may take to form.
const FORMED_WITHIN: Duration = Duration::from_secs(30);

/// Opens a store of one member in `dir` and waits until it leads. Opening the same folder again, after
/// [`Replication::shutdown`], finds its data.
pub(crate) async fn single_node(dir: &Path) -> Replication {
    single_node_with(dir, Limits::default()).await
}

/// The same with other limits.
pub(crate) async fn single_node_with(dir: &Path, limits: Limits) -> Replication {
    let config = configurations(dir, 1, limits).pop().expect("one was asked for");
    let replication = open(config, Metrics::new().unwrap()).await;
    let deadline = crate::clock::monotonic() + FORMED_WITHIN;
    // A barrier returns as soon as there is a leader that may serve reads.
    replication
        .barrier(deadline)
        .await
        .expect("a cluster of one member forms");
    replication
}

/// Starts a member that counts in `metrics`.
pub(crate) async fn open(config: Config, metrics: Metrics) -> Replication {
    raft_store::install_real_fsync().expect("tests run where seccomp filters are allowed");
    Replication::open(config, metrics).await.unwrap()
}

/// Configurations of all members of a cluster whose data lies in `dir`.
pub(crate) fn configurations(dir: &Path, size: u64, limits: Limits) -> Vec<Config> {
    let member = |id: u64| Member {
        id,
        name: format!("node-{id}"),
        peer_address: free_address(),
    };
    let members: Vec<Member> = (1..=size).map(member).collect();
    let authority = Authority::cached();
    let config = |member: &Member| {
        let pair = authority.node(&member.name);
        Config {
            node_id: Some(member.id),
            name: member.name.clone(),
            cluster_id: [7; 16],
            initialize: member.id == 1,
            members: members.clone(),
            data_dir: dir.join(format!("data-{}", member.id)),
            listen: member.peer_address,
            advertise: member.peer_address,
            join: None,
            versions: crate::limits::CLUSTER_VERSIONS,
            wall_clock: raft_store::WallClock::new(crate::clock::milliseconds),
            tls: PeerTls {
                server: crate::tls::peer_server(&pair).unwrap(),
                client: crate::tls::peer_client(&pair).unwrap(),
                server_name_suffix: crate::tls::NODE_SUFFIX.into(),
            },
            timing: Timing::default(),
            limits,
        }
    };
    members.iter().map(config).collect()
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::command::{Command, MarkMailSent};
    use auth_core::entry::{Client, Entry};
    use auth_core::ids::RequestId;
    use auth_core::reply::Reply;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_proposed_is_applied_here_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let replication = single_node(dir.path()).await;
        let at = crate::clock::now();
        let entry = Entry {
            request_id: RequestId([1; 16]),
            at,
            client: Client::default(),
            command: Command::MarkMailSent(MarkMailSent { key: 1 }),
        };
        let deadline = crate::clock::monotonic() + Duration::from_secs(20);
        assert_eq!(
            replication.propose(&entry, deadline).await,
            Ok(Reply::MailMarkedSent {})
        );
        assert_eq!(replication.log_clock(), Ok(at));
        assert!(replication.is_leader());
        assert!(*replication.applied().borrow() >= 1);
        replication.shutdown(Duration::from_secs(5)).await.unwrap();

        let again = single_node(dir.path()).await;
        // A mixed cluster: nothing that an older node could not apply is proposed before the cluster's version allows it.
        let before = *again.applied().borrow();
        let late = Entry {
            request_id: RequestId([9; 16]),
            ..entry
        };
        let refused = again.propose_since(&late, 2, deadline).await.unwrap_err();
        assert!(
            refused.not_executed && refused.reason.contains("upgrade --to 2"),
            "{refused}"
        );
        assert_eq!(*again.applied().borrow(), before);
        assert_eq!(
            again.propose_since(&late, 1, deadline).await,
            Ok(Reply::MailMarkedSent {})
        );
        assert_eq!(again.log_clock(), Ok(at), "the log's clock is data");
        again.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
