//! What operators watch of the store, read from the operations listeners of members that have worked: over a real socket, and
//! with a snapshot on its way between them.

use super::metrics::Metrics;
use super::store_collector::StoreCollector;
use crate::clock;
use crate::http::ops::Ops;
use crate::http::server::{Patience, Server, bind};
use crate::http::status::Health;
use crate::replication::Replication;
use crate::replication::testing::{configurations, open};
use crate::shutdown::{self, Stopper};
use auth_core::command::{Command, MarkMailSent};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use raft_store::{Config, Limits};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const ENTRIES: u128 = 300;

/// A member and where it tells its numbers.
struct Member {
    replication: Replication,
    ops: SocketAddr,
    _stopper: Stopper,
}

async fn start(config: Config) -> Member {
    let metrics = Metrics::new().unwrap();
    let replication = open(config, metrics.clone()).await;
    metrics
        .register(StoreCollector::new(replication.store().clone()).unwrap())
        .unwrap();
    let (stopper, stop) = shutdown::channel();
    let listener = bind("ops.listen", (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let ops = listener.local_addr().unwrap();
    let server = Server {
        listener,
        tls: None,
        connections_max: 4,
        patience: Patience::default(),
        metrics: None,
    };
    let answer = Ops::new(Health::new(replication.clone(), || true), metrics);
    tokio::spawn(server.serve(answer, stop, Duration::from_secs(1)));
    Member {
        replication,
        ops,
        _stopper: stopper,
    }
}

impl Member {
    async fn page(&self) -> String {
        let url = format!("http://{}/metrics", self.ops);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// The value of a metric without labels, which must be there.
    async fn value(&self, name: &str) -> f64 {
        let page = self.page().await;
        let prefix = format!("tfauth_node_{name} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&prefix));
        let value = found.unwrap_or_else(|| panic!("{name} is not in\n{page}"));
        value.parse().unwrap()
    }

    /// Reads until the value is one that fits.
    async fn value_becomes(&self, name: &str, fits: impl Fn(f64) -> bool) -> f64 {
        let until = clock::monotonic() + PATIENCE;
        loop {
            let value = self.value(name).await;
            if fits(value) {
                return value;
            }
            assert!(clock::monotonic() < until, "{name} stays at {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn write(&self, number: u128) {
        let entry = Entry {
            request_id: RequestId(number.to_be_bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::MarkMailSent(MarkMailSent { key: 1 }),
        };
        let deadline = clock::monotonic() + PATIENCE;
        self.replication.propose(&entry, deadline).await.unwrap();
    }
}

/// What every member has after some work.
async fn has_worked(member: &Member) {
    for (name, at_least) in [
        ("log_fsync_seconds_count", 10.0),
        ("log_fsync_seconds_sum", 1e-6),
        ("log_group_entries_count", 10.0),
        ("checkpoints_total", 1.0),
        ("log_disk_bytes", 1.0),
        ("state_disk_bytes", 1.0),
        ("leader_changes_total", 1.0),
    ] {
        member.value_becomes(name, |value| value >= at_least).await;
    }
    let groups = member.value("log_group_entries_sum").await;
    assert!(groups >= 100.0, "{groups} entries in groups");
    let mean = member.value("log_fsync_seconds_sum").await / member.value("log_fsync_seconds_count").await;
    assert!(mean < 10.0, "{mean} seconds are no time of an fsync");
    let checkpoint = member.value("checkpoint_last_milliseconds").await;
    assert!(checkpoint < 60_000.0, "{checkpoint}");
    // At rest nothing waits.
    for name in ["log_queue_depth", "apply_lag_entries", "proposals_in_flight"] {
        member.value_becomes(name, |value| value == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_the_store_is_there_and_true_after_some_work() {
    crate::tls::install_provider();
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        checkpoint_entries: 50,
        checkpoint_interval: Duration::from_millis(500),
        log_kept_entries: 10,
        ..Limits::default()
    };
    let configs: [Config; 3] = configurations(dir.path(), 3, limits).try_into().unwrap();
    let mut members = Vec::new();
    for config in configs.clone() {
        members.push(start(config).await);
    }
    for member in &members {
        member.replication.barrier(clock::monotonic() + PATIENCE).await.unwrap();
    }
    let away = members.pop().unwrap();
    away.replication.shutdown(Duration::ZERO).await.unwrap();
    for number in 0..ENTRIES {
        members[0].write(number).await;
    }
    for member in &members {
        has_worked(member).await;
        member.value_becomes("log_entries", |value| value < 200.0).await;
    }

    // What it lacks is purged: it gets a snapshot.
    let back = start(configs[2].clone()).await;
    back.value_becomes("snapshots_installed_total", |value| value >= 1.0)
        .await;
    let received = back.value("snapshot_received_bytes_total").await;
    assert!(received > 1000.0, "{received}");
    let took = back.value("snapshot_receive_last_milliseconds").await;
    assert!(took < 30_000.0, "{took}");
    let mut sent = 0.0;
    for member in &members {
        let bytes = member.value("snapshot_sent_bytes_total").await;
        assert_eq!(bytes > 0.0, bytes >= received, "{bytes}");
        sent += bytes;
        assert!(member.value("snapshot_send_last_milliseconds").await < 30_000.0);
    }
    assert!(sent >= received, "{sent} bytes sent, {received} received");
    for member in members.iter().chain([&back]) {
        member.replication.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
