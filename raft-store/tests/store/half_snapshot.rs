//! kill -9 of a node that is just getting its first snapshot: what has come is not taken for the tables of anything, and the
//! next start gets a whole one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use raft_store::{Join, Limits, Part, Store};

use crate::child::{Layout, Process};
use crate::slow_path::SlowPath;
use crate::support::{Cluster, PATIENCE, command, soon, until};

const NAME: &str = "node-9";
/// Some 1.2 MB of tables: five parts.
const ROWS: u64 = 18_000;
/// The third part is on its way.
const KILLED_AFTER_BYTES: u64 = 600 * 1024;

/// Numbers of the tables on disk, whole ones and others.
fn tables(folder: &Path) -> BTreeSet<u64> {
    let entries = std::fs::read_dir(folder.join(NAME).join("state")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.parse().ok()).collect()
}

fn current(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(NAME).join("state/CURRENT")).unwrap()
}

/// Many rows, and a log that does not begin with them any more.
async fn write_rows(store: &Store) {
    let writes = (0..ROWS).map(|number| async move {
        let command = command(number.into(), &format!("row-{number}"));
        store.propose(command, soon()).await.unwrap()
    });
    futures_util::future::join_all(writes).await;
}

fn sent(cluster: &Cluster) -> u64 {
    let stores = cluster.running.values();
    stores.map(|store| store.metrics().snapshot_bytes_sent).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_killed_in_its_first_snapshot_starts_again_and_joins() {
    let mut cluster = Cluster::new(3);
    cluster.limits = Limits {
        proposals_max: 2 * usize::try_from(ROWS).unwrap(),
        ..cluster.limits
    };
    for id in 1..=3 {
        cluster.start(id).await;
    }
    write_rows(cluster.any()).await;
    until("old entries are purged", async || {
        cluster
            .running
            .values()
            .all(|store| store.metrics().log_entries < ROWS / 2)
    })
    .await;

    let path = SlowPath {
        bytes_per_second: 512 * 1024,
        answers_late: Duration::ZERO,
    };
    let (listen, advertise) = path.lay().await;
    let layout = Layout {
        folder: cluster.folder.path().to_path_buf(),
        addresses: cluster.members.iter().map(|member| member.peer_address).collect(),
    };
    layout.write_papers(NAME, &cluster.authority.papers(NAME));
    let Join::Token(token) = cluster.token(None).await else {
        panic!("asked for a token");
    };
    let start = || -> Process { layout.spawn_joiner(NAME, &token, listen, advertise) };
    let mut joiner = start();
    joiner.wait_for("open", PATIENCE).expect("it is let in");
    let before = current(&layout.folder);
    until("half a snapshot has come", async || sent(&cluster) > KILLED_AFTER_BYTES).await;
    drop(joiner.kill());
    assert_eq!(cluster.any().cluster_info(soon()).await.unwrap().members.len(), 4);
    assert_eq!(current(&layout.folder), before, "the half one is not live");
    let left = tables(&layout.folder);
    assert_eq!(left.len(), 2, "the tables it began with, and the half ones: {left:?}");

    let mut joiner = start();
    joiner.wait_for("open", PATIENCE).expect("the folder opens again");
    let seen = joiner.rows(ROWS);
    assert!(seen == 0 || seen == ROWS, "{seen} of {ROWS} rows are live");
    until("it has caught up", async || joiner.rows(ROWS) == ROWS).await;
    assert_ne!(current(&layout.folder), before, "the whole ones are live");
    until("nothing else is left", async || tables(&layout.folder).len() == 1).await;
    let id = *cluster.any().status().learners.first().unwrap();
    cluster.any().add_voter(id, None, soon()).await.unwrap();
    let info = cluster.any().cluster_info(soon()).await.unwrap();
    let part = info
        .members
        .iter()
        .find(|member| member.id == id)
        .map(|member| member.part);
    assert_eq!(part, Some(Part::Voter), "{info:?}");
    cluster.stop_all().await;
}
