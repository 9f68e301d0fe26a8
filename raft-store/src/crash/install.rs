//! A snapshot from a leader, as the receiver of snapshots and consensus bring it in.
//!
//! Must use the stores' own way of staging and switching.

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use sha2::{Digest, Sha256};

use super::content;
use super::drive::{Done, Driver};
use super::member::TABLE;
use crate::state::{SnapshotData, Staged, encode_rows};
use crate::types::{Entry, LogId, SnapshotMeta, StoredMembership};

const ROWS_PER_CHUNK: usize = 7;

impl Driver {
    /// The leader has agreed on more; its tables arrive, whole or not.
    pub(super) async fn install(&mut self, ahead: u64, whole: bool) -> Done {
        let seen = self.model.applied + ahead;
        self.agree_without_me(seen);
        let Some(last) = self.agreed(seen) else {
            return Ok(());
        };
        let meta = SnapshotMeta {
            last_log_id: Some(last),
            last_membership: self
                .model
                .membership(seen)
                .map_or_else(StoredMembership::default, |(id, membership)| {
                    StoredMembership::new(Some(id), membership)
                }),
        };
        let staged = self.member()?.state.stage(meta.clone());
        let mut staged = self.sort("a new folder for a snapshot", staged)?;
        let sent = self.send(seen, &mut staged, whole);
        self.sort("receiving a snapshot", sent)?;
        if !whole {
            drop(staged);
            return self.sort("receiving a snapshot", Ok::<_, String>(()));
        }
        self.cut_conflict(last).await?;
        self.model.checkpoint_begun = Some(seen);
        let data = SnapshotData::Staged(Box::new(staged));
        let installed = self.member()?.applier.install_snapshot(&meta, data).await;
        if installed.is_ok() {
            self.model.checkpoint = seen;
            self.model.checkpoint_begun = None;
            self.model.applied = seen;
        }
        self.sort("installing a snapshot", installed)?;
        if self.model.current().last().is_none_or(|end| end.index <= last.index) || self.dice.coin() {
            self.purge_to(last).await?;
        }
        self.work_off()
    }

    /// Entries up to a number are agreed on: those in the log here, or others.
    fn agree_without_me(&mut self, seen: u64) {
        let current = self.model.current();
        let conflict = |entry: &Entry| {
            let agreed = self.model.agreed.get(&entry.log_id.index);
            agreed.is_some_and(|agreed| agreed != entry)
        };
        // What follows an entry that is not agreed on can not be either.
        let mut same = !current.entries.iter().any(conflict) && self.dice.coin();
        self.model.term += 1;
        for index in self.model.agreed.len() as u64..seen {
            let mine = current.entries.iter().find(|entry| entry.log_id.index == index);
            same &= mine.is_some() && self.dice.below(4) > 0;
            let size = usize::try_from(self.dice.below(400)).unwrap_or_default();
            let entry = match mine.filter(|_| same) {
                Some(mine) => mine.clone(),
                None => content::entry(&mut self.dice, self.model.term, index, size),
            };
            self.model.agreed.insert(index, entry);
        }
    }

    fn send(&self, seen: u64, staged: &mut Staged, whole: bool) -> std::io::Result<()> {
        let rows = self.model.cells(seen).into_iter().map(|(cell, value)| {
            let row = [&[TABLE.0], cell.as_ref()].concat();
            (Bytes::from(row), value)
        });
        let rows: Vec<(Bytes, Bytes)> = rows.collect();
        let mut digest = Sha256::new();
        for chunk in rows.chunks(ROWS_PER_CHUNK) {
            let encoded = encode_rows(chunk);
            digest.update(&encoded);
            staged.write(&encoded)?;
        }
        if whole {
            staged.finish(rows.len() as u64, digest.finalize().into())?;
        }
        Ok(())
    }

    /// A log that has another entry where the snapshot ends is cut before the snapshot comes in.
    async fn cut_conflict(&mut self, last: LogId) -> Done {
        let current = self.model.current();
        let same_place = current.entries.iter().find(|entry| entry.log_id.index == last.index);
        if same_place.is_some_and(|entry| entry.log_id != last) {
            return self.cut(self.model.applied.checked_sub(1), Vec::new()).await;
        }
        Ok(())
    }
}
