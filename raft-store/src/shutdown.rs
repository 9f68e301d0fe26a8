//! Stopping in order: proposals in progress, leadership to another member, consensus, log, tables, folder.
//!
//! Must not lose anything acknowledged if it is cut short at any point: a kill is the same as far as the disk goes.

use std::time::{Duration, Instant};

use openraft::async_runtime::watch::WatchReceiver;

use crate::Fault;
use crate::store::Inner;

pub(crate) async fn shutdown(store: &Inner, within: Duration) -> Result<(), Fault> {
    if store.closing.send_replace(true) {
        return store.fault.get().map_or(Ok(()), Err);
    }
    let until = Instant::now() + within;
    if !within.is_zero() {
        // What is in progress is done in milliseconds. Without a quorum it is not, and nobody could take over either.
        let mut leader = store.leader.clone();
        let drained = tokio::select! {
            drained = tokio::time::timeout_at(until.into(), store.proposer.drained()) => drained.is_ok(),
            _ = leader.wait_for(Option::is_none) => store.proposer.in_flight() == 0,
        };
        if !drained {
            tracing::warn!("proposals in progress are cut short, with an unknown outcome");
        }
        hand_over(store, until).await;
    }
    if let Err(error) = store.raft.shutdown().await {
        tracing::warn!(%error, "consensus did not end in order");
    }
    store.tasks.lock().await.shutdown().await;
    store.links.close_all();
    let closed = store.log_queue.close().await;
    let state = store.state.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || state.close()).await {
        tracing::warn!(%error, "the tables did not close in order");
    }
    if closed.is_ok() && store.fault.get().is_none() {
        // Only saves reading everything at the next start.
        if let Err(error) = crate::verify::write_manifest(&crate::disk::Disk::Real, &store.data_dir) {
            tracing::warn!(%error, "the next start will read the whole data folder");
        }
    }
    store.lock.lock().take();
    // After a fault the log refuses to close as well, which is nothing new.
    if let Err(error) = closed
        && store.fault.get().is_none()
    {
        store.fault.storage(&error);
    }
    tracing::info!("store closed");
    store.fault.get().map_or(Ok(()), Err)
}

/// Gives leadership to the member whose log is the longest, and waits until another one leads.
async fn hand_over(store: &Inner, until: Instant) {
    let me = store.whoami.node_id;
    let successor = {
        let metrics = store.raft.metrics();
        let metrics = metrics.borrow_watched();
        if *store.leader.borrow() != Some(me) {
            return;
        }
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        let progress = metrics.replication.iter().flatten();
        let others = progress.filter(|(id, _)| **id != me && voters.contains(id));
        others
            .max_by_key(|(_, matched)| matched.map_or(0, |id| id.index))
            .map(|(id, _)| *id)
    };
    let Some(successor) = successor else {
        return;
    };
    tracing::info!(successor, "handing over leadership");
    if store.raft.trigger().transfer_leader(successor).await.is_err() {
        return;
    }
    let mut leader = store.leader.clone();
    // Nobody: the quorum went meanwhile, and so did whoever could take over.
    let handed = leader.wait_for(|leader| *leader != Some(me));
    let handed = tokio::time::timeout_at(until.into(), handed).await;
    if !handed.is_ok_and(|leader| leader.is_ok_and(|leader| leader.is_some())) {
        tracing::warn!(successor, "leadership was not taken over in time");
    }
}
