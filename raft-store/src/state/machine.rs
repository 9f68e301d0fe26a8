//! Applies committed entries to the tables, in order, on behalf of consensus.
//!
//! Must not write to the disk, read a clock or use randomness: every member has to come to the same rows and replies.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::SnapshotOf;

use super::checkpoint::Checkpointer;
use super::digest::RowsDigest;
use super::level::row_key;
use super::staged::encode_rows;
use super::view::{View, ViewLevels, successor};
use super::{Levels, SnapshotData, StateStore};
use crate::cluster::{apply, rows};
use crate::codec::wire::Message;
use crate::machine::{Read, StateMachine, TableId, Transaction};
use crate::types::{Entry, LogId, Membership, Payload, Reply, SnapshotMeta, StoredMembership, Types};
use crate::{ApplyError, StorageError};

/// Rows copied at a time from the snapshot of another store in this process.
const COPY_ROWS: usize = 512;

/// The user's state machine over the tables.
pub(crate) struct Applier {
    state: StateStore,
    machine: Arc<dyn StateMachine>,
    version_max: u32,
    digest_entries: u64,
}

impl Applier {
    /// `version_max` is the newest cluster version that this program speaks; every `digest_entries` entries the digest of
    /// the tables is noted.
    pub(crate) fn new(
        state: StateStore,
        machine: Arc<dyn StateMachine>,
        version_max: u32,
        digest_entries: u64,
    ) -> Self {
        Self {
            state,
            machine,
            version_max,
            digest_entries,
        }
    }

    /// Applies one entry and returns the reply.
    fn apply_entry(&self, entry: Entry) -> io::Result<Bytes> {
        let index = entry.log_id.index;
        let (levels, mut digest) = self.state.current_levels()?;
        let mut tables = Transaction::new(&levels);
        let applied = match &entry.payload {
            Payload::Blank => Ok(Bytes::new()),
            Payload::Command(command) => {
                levels.active.note_command(command.0.len());
                let machine = &self.machine;
                catch_unwind(AssertUnwindSafe(|| machine.apply(index, &command.0, &mut tables)))
                    .unwrap_or_else(|_| Err(ApplyError::refused("the state machine panicked")))
            }
            Payload::System(command) => {
                let membership = self.state.membership()?;
                let command = command.clone();
                apply::apply(index, command, &membership, self.version_max, &mut tables).map(|reply| reply.to_bytes())
            }
            Payload::Membership(after) => {
                let before = self.state.membership()?;
                apply::membership_changed(&before, after, &mut tables)
                    .map(|()| Bytes::new())
                    .map_err(ApplyError::from)
            }
        };
        let reply = applied.map_err(|error| self.refused(index, &error))?;
        let writes = tables.into_writes();
        let mut own = false;
        if !writes.is_empty() {
            let floor = self.state.registry().oldest().map_or(index, |oldest| oldest.min(index));
            digest = changed(digest, &levels, &writes).map_err(|error| self.refused(index, &error))?;
            own = writes.keys().any(|(table, _)| *table == rows::TABLE.0);
            levels.active.commit(index, floor, writes);
        }
        self.state.advance(&entry, digest)?;
        if index.is_multiple_of(self.digest_entries) {
            self.state.note_digest(index, digest);
        }
        if own {
            self.state.own_rows_changed();
        }
        Ok(reply)
    }

    fn refused(&self, index: u64, error: &dyn std::fmt::Display) -> io::Error {
        let text = format!("entry {index} cannot be applied: {error}");
        self.state.fault().consensus(&text);
        io::Error::other(text)
    }

    /// Rows of a snapshot of this process as a folder of our own.
    fn copy(&self, meta: &SnapshotMeta, view: &View) -> io::Result<Box<super::Staged>> {
        let mut staged = Box::new(self.state.stage(meta.clone()).map_err(io::Error::other)?);
        let mut from = Bytes::new();
        loop {
            let rows = view.page(&from, COPY_ROWS).map_err(io::Error::other)?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            from = successor(last);
            staged.write(&encode_rows(&rows))?;
        }
        staged.seal()?;
        Ok(staged)
    }
}

/// The digest after an entry's writes, which are not visible yet.
fn changed(
    mut digest: RowsDigest,
    levels: &ViewLevels,
    writes: &BTreeMap<(u8, Bytes), Option<Bytes>>,
) -> Result<RowsDigest, StorageError> {
    for ((table, key), new) in writes {
        let old = levels.get(TableId(*table), key)?;
        digest.replace(&row_key(*table, key), old.as_deref(), new.as_deref());
    }
    Ok(digest)
}

impl StateStore {
    /// The tables as the next entry sees them.
    fn current_levels(&self) -> io::Result<(ViewLevels, RowsDigest)> {
        let guard = self.inner.levels.read();
        let levels = guard
            .as_ref()
            .ok_or_else(|| io::Error::other("the tables are closed"))?;
        Ok((self.view_levels(levels, u64::MAX), levels.applied.digest))
    }

    /// The membership as of the last applied entry.
    fn membership(&self) -> io::Result<Membership> {
        let guard = self.inner.levels.read();
        let levels = guard
            .as_ref()
            .ok_or_else(|| io::Error::other("the tables are closed"))?;
        Ok(levels.applied.membership.membership().clone())
    }

    /// Makes the entry's rows visible.
    fn advance(&self, entry: &Entry, digest: RowsDigest) -> io::Result<()> {
        let mut guard = self.inner.levels.write();
        let levels: &mut Levels = guard
            .as_mut()
            .ok_or_else(|| io::Error::other("the tables are closed"))?;
        levels.applied.log_id = Some(entry.log_id);
        levels.applied.digest = digest;
        if let Payload::Membership(membership) = &entry.payload {
            levels.applied.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
        }
        Ok(())
    }
}

impl RaftStateMachine<Types> for Applier {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Checkpointer;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let guard = self.state.inner.levels.read();
        let levels = guard
            .as_ref()
            .ok_or_else(|| io::Error::other("the tables are closed"))?;
        Ok((levels.applied.log_id, levels.applied.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut last = None;
        while let Some((entry, responder)) = entries.try_next().await? {
            let index = entry.log_id.index;
            let reply = self.apply_entry(entry)?;
            if let Some(responder) = responder {
                responder.send(Reply(reply));
            }
            last = Some(index);
        }
        if let Some(last) = last {
            self.state.inner.seen.send_replace(last + 1);
            self.machine.applied(last);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Checkpointer {
        Checkpointer {
            frozen: self.state.freeze(),
            state: self.state.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let staged = match snapshot {
            SnapshotData::Staged(staged) if staged.meta() == meta => staged,
            SnapshotData::Staged(_) => return Err(io::Error::other("the snapshot is not the announced one")),
            SnapshotData::View(view) => self.copy(meta, &view)?,
        };
        self.state
            .switch_to(staged)
            .inspect_err(|error| self.state.fault().storage(error))?;
        self.machine.applied(meta.last_log_id.map_or(0, |id| id.index));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, SnapshotData>>, io::Error> {
        let current = self.state.current_snapshot();
        Ok(current.map(|(meta, view)| Snapshot {
            meta,
            snapshot: SnapshotData::View(view),
        }))
    }
}
