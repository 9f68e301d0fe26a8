//! Takes a snapshot from a leader, chunk by chunk, and hands it to consensus when it is whole.
//!
//! Must not make anything visible before the end was checked.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use openraft::storage::Snapshot;

use crate::Raft;
use crate::codec::own::{SnapshotBegin, SnapshotChunk, SnapshotEnd};
use crate::codec::wire::{Kind, Message};
use crate::state::{SnapshotData, Staged, StateStore};
use crate::types::Vote;

/// The snapshot that one connection is sending, if any.
pub(crate) struct Receiver {
    raft: Raft,
    state: StateStore,
    arriving: Option<(Vote, Box<Staged>)>,
    begun: Instant,
}

impl Receiver {
    pub(crate) fn new(raft: Raft, state: StateStore) -> Self {
        Self {
            raft,
            state,
            arriving: None,
            begun: Instant::now(),
        }
    }

    /// Handles one of the three kinds of frames of a snapshot.
    pub(crate) async fn take(&mut self, kind: Kind, payload: Bytes) -> io::Result<Bytes> {
        if kind == Kind::SnapshotBegin {
            return self.begin(payload).await;
        }
        let (vote, staged) = self
            .arriving
            .take()
            .ok_or_else(|| io::Error::other("no snapshot has begun"))?;
        if kind == Kind::SnapshotChunk {
            self.chunk(vote, staged, payload).await
        } else {
            self.end(vote, staged, payload).await
        }
    }

    async fn begin(&mut self, payload: Bytes) -> io::Result<Bytes> {
        let SnapshotBegin { vote, meta } = SnapshotBegin::from_bytes(payload).map_err(io::Error::other)?;
        tracing::info!(meta = %meta, "receiving a snapshot");
        self.begun = Instant::now();
        let state = self.state.clone();
        let staged = tokio::task::spawn_blocking(move || state.stage(meta))
            .await?
            .map_err(io::Error::other)?;
        self.arriving = Some((vote, Box::new(staged)));
        Ok(().to_bytes())
    }

    async fn chunk(&mut self, vote: Vote, mut staged: Box<Staged>, payload: Bytes) -> io::Result<Bytes> {
        let chunk = SnapshotChunk::from_bytes(payload).map_err(io::Error::other)?;
        if crc32c::crc32c(&chunk.rows) != chunk.checksum {
            return Err(io::Error::other("a chunk of the snapshot is damaged"));
        }
        let counters = self.state.counters();
        counters
            .snapshot_bytes_received
            .fetch_add(chunk.rows.len() as u64, Relaxed);
        let staged = tokio::task::spawn_blocking(move || staged.write(&chunk.rows).map(|()| staged)).await??;
        self.arriving = Some((vote, staged));
        Ok(().to_bytes())
    }

    async fn end(&mut self, vote: Vote, mut staged: Box<Staged>, payload: Bytes) -> io::Result<Bytes> {
        let end = SnapshotEnd::from_bytes(payload).map_err(io::Error::other)?;
        let finish = move || staged.finish(end.rows, end.digest).map(|()| staged);
        let staged = tokio::task::spawn_blocking(finish).await??;
        let meta = staged.meta().clone();
        let snapshot = Snapshot {
            meta,
            snapshot: SnapshotData::Staged(staged),
        };
        let response = self
            .raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(io::Error::other)?;
        self.state.counters().snapshot_received(self.begun.elapsed());
        Ok(response.vote.to_bytes())
    }
}
