//! Sends a snapshot over a connection of its own: begin, chunks, end. Each chunk is answered before the next goes out,
//! so the receiver's disk sets the pace.
//!
//! Must not hold more than one chunk in memory.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::connection::Connection;
use super::network::Network;
use crate::codec::own::{SnapshotBegin, SnapshotChunk, SnapshotEnd};
use crate::codec::wire::{Kind, Message};
use crate::limits::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_STALL_MAX};
use crate::state::{View, encode_rows, successor};
use crate::types::{SnapshotMeta, Vote};

/// Rows read at a time.
const PAGE_ROWS: usize = 128;

/// Sends the tables of `view` and returns the receiver's vote once it has installed them.
pub(crate) async fn send(
    network: &Network,
    target: u64,
    vote: Vote,
    meta: SnapshotMeta,
    view: View,
) -> io::Result<Vote> {
    let begun = Instant::now();
    let stream = network.links.dialer().dial(target).await?;
    let connection = Connection::start(stream, SNAPSHOT_STALL_MAX);
    tracing::info!(target_node = target, meta = %meta, "sending a snapshot");
    call::<()>(
        &connection,
        Kind::SnapshotBegin,
        SnapshotBegin { vote, meta }.to_bytes(),
    )
    .await?;
    let transfer = view.transfer().map_err(io::Error::other)?;
    let mut rows = Rows {
        view,
        from: Bytes::new(),
        done: false,
    };
    let mut digest = Sha256::new();
    let mut count = 0;
    loop {
        let (page, returned) = tokio::task::spawn_blocking(move || (rows.next_chunk(), rows)).await?;
        rows = returned;
        let (chunk_rows, chunk) = page?;
        if chunk_rows == 0 {
            break;
        }
        count += chunk_rows;
        digest.update(&chunk);
        network
            .counters
            .snapshot_bytes_sent
            .fetch_add(chunk.len() as u64, Relaxed);
        let message = SnapshotChunk {
            checksum: crc32c::crc32c(&chunk),
            rows: chunk,
        };
        call::<()>(&connection, Kind::SnapshotChunk, message.to_bytes()).await?;
        transfer.sent(chunk_rows);
    }
    let end = SnapshotEnd {
        rows: count,
        digest: digest.finalize().into(),
    };
    let answer = call::<Vote>(&connection, Kind::SnapshotEnd, end.to_bytes()).await?;
    // Only now: while the view lives there is no checkpoint, and without a checkpoint no entry goes that comes next.
    drop(rows);
    network.counters.snapshot_sent(begun.elapsed());
    Ok(answer)
}

async fn call<A: Message>(connection: &Connection, kind: Kind, payload: Bytes) -> io::Result<A> {
    let answer = connection
        .call(kind, payload, SNAPSHOT_STALL_MAX)
        .await
        .map_err(io::Error::other)?;
    A::from_bytes(answer).map_err(io::Error::other)
}

/// Walks over all rows of a view.
struct Rows {
    view: View,
    from: Bytes,
    done: bool,
}

impl Rows {
    /// The number of rows in the next chunk, and the chunk; no rows at the end.
    fn next_chunk(&mut self) -> io::Result<(u64, Bytes)> {
        let mut chunk = Vec::new();
        let mut count = 0;
        while !self.done && chunk.len() < SNAPSHOT_CHUNK_BYTES_MAX {
            let mut rows = self.view.page(&self.from, PAGE_ROWS).map_err(io::Error::other)?;
            self.done = rows.len() < PAGE_ROWS;
            let mut size = chunk.len();
            let fitting = rows.iter().take_while(|(row, value)| {
                let fits = size < SNAPSHOT_CHUNK_BYTES_MAX;
                size += row.len() + value.len();
                fits
            });
            let fitting = fitting.count();
            if fitting < rows.len() {
                rows.truncate(fitting);
                self.done = false;
            }
            if let Some((last, _)) = rows.last() {
                self.from = successor(last);
            }
            count += rows.len() as u64;
            chunk.extend_from_slice(&encode_rows(&rows));
            if fitting == 0 {
                break;
            }
        }
        Ok((count, Bytes::from(chunk)))
    }
}
