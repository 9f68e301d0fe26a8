//! A snapshot that arrives from a leader: collected in a folder of its own, checked as a whole, then switched to.
//!
//! Must not become visible before it is complete: only the switch makes it the tables of this member, and a kill
//! before it leaves a folder that opening removes.

use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::base::{Base, Mark};
use super::digest::RowsDigest;
use crate::codec::{Decoded, Decoder, Encoder};
use crate::types::SnapshotMeta;

/// Tables that are not live yet. Dropped without a switch, they remove their folder.
pub(crate) struct Staged {
    pub(crate) number: u64,
    base: Option<Base>,
    meta: SnapshotMeta,
    rows: u64,
    rows_digest: RowsDigest,
    digest: Sha256,
    bytes: u64,
}

impl Staged {
    pub(crate) fn new(number: u64, base: Base, meta: SnapshotMeta) -> Self {
        Self {
            number,
            base: Some(base),
            meta,
            rows: 0,
            rows_digest: RowsDigest::default(),
            digest: Sha256::new(),
            bytes: 0,
        }
    }

    pub(crate) fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds rows, encoded by [`encode_rows`].
    pub(crate) fn write(&mut self, encoded: &Bytes) -> io::Result<()> {
        self.digest.update(encoded);
        self.bytes += encoded.len() as u64;
        let rows = decode_rows(encoded.clone()).map_err(io::Error::other)?;
        let base = self
            .base
            .as_ref()
            .ok_or_else(|| io::Error::other("the snapshot is finished"))?;
        for (row, value) in &rows {
            base.write(row, Some(value))?;
            self.rows_digest.add(row, value);
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Checks that everything arrived and puts it on disk.
    pub(crate) fn finish(&mut self, rows: u64, digest: [u8; 32]) -> io::Result<()> {
        if rows != self.rows || digest != self.digest() {
            return Err(io::Error::other(format!(
                "the snapshot is incomplete: {} of {rows} rows",
                self.rows
            )));
        }
        self.seal()
    }

    /// Puts what was written on disk, with the mark of the snapshot.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        let base = self
            .base
            .as_ref()
            .ok_or_else(|| io::Error::other("the snapshot is finished"))?;
        base.set_mark(&self.mark())?;
        base.flush()?;
        base.disk().sync_folder(base.folder())
    }

    /// Up to where the tables go, once they are complete.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            log_id: self.meta.last_log_id,
            membership: self.meta.last_membership.clone(),
            digest: self.rows_digest,
        }
    }

    fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// The tables, for the switch.
    pub(crate) fn take_base(&mut self) -> Option<Base> {
        self.base.take()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(base) = &self.base {
            base.retire();
        }
    }
}

pub(crate) fn meta(mark: &Mark) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: mark.log_id,
        last_membership: mark.membership.clone(),
    }
}

/// Rows as they are sent.
pub(crate) fn encode_rows(rows: &[(Bytes, Bytes)]) -> Bytes {
    let mut encoder = Encoder::default();
    for (row, value) in rows {
        encoder.bytes(row);
        encoder.bytes(value);
    }
    encoder.finish()
}

fn decode_rows(bytes: Bytes) -> Decoded<Vec<(Bytes, Bytes)>> {
    let mut decoder = Decoder::new(bytes);
    let mut rows = Vec::new();
    while !decoder.is_empty() {
        rows.push((decoder.bytes("row")?, decoder.bytes("value")?));
    }
    Ok(rows)
}
