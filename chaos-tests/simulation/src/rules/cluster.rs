//! A model of the replicated log and the replicas that apply it with the real rules: proposals that the leader has and
//! nobody else, a leader that goes with them, replicas that crash and come back from a snapshot and the log.
//!
//! Must not know what entries mean; the log is what consensus promises, nothing more.

use crate::dice::Dice;
use crate::limits::DIGEST_ENTRIES;
use auth_core::apply::apply;
use auth_core::entry::Entry;
use auth_core::reply::Reply;
use auth_core::tables::memory::MemoryTables;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One member: what it has applied, and what it has on its disk.
pub(super) struct Replica {
    pub(super) tables: MemoryTables,
    pub(super) applied: usize,
    pub(super) up: bool,
    /// What its clock is off by.
    pub(super) clock_off_us: i64,
    snapshot: (usize, MemoryTables),
}

/// An entry that a replica has just applied.
pub(super) struct Applied {
    pub(super) index: usize,
    pub(super) entry: Entry,
    pub(super) reply: Reply,
    /// Whether it is the first replica that did.
    pub(super) first: bool,
}

pub(super) struct Cluster {
    pub(super) replicas: Vec<Replica>,
    pub(super) leader: Option<usize>,
    log: Vec<Vec<u8>>,
    /// Entries before it are to be had within a snapshot only.
    purged: usize,
    /// What the leader has beyond what is agreed on.
    tail: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
    digests: BTreeMap<usize, [u8; 32]>,
}

impl Cluster {
    pub(super) fn new(replicas: usize) -> Self {
        let replica = |_| Replica {
            tables: MemoryTables::default(),
            applied: 0,
            up: true,
            clock_off_us: 0,
            snapshot: (0, MemoryTables::default()),
        };
        Self {
            replicas: (0..replicas).map(replica).collect(),
            leader: Some(0),
            log: Vec::new(),
            purged: 0,
            tail: Vec::new(),
            replies: Vec::new(),
            digests: BTreeMap::new(),
        }
    }

    pub(super) fn agreed(&self) -> usize {
        self.log.len()
    }

    /// The leader takes a proposal; without one it is lost.
    pub(super) fn propose(&mut self, bytes: &[u8]) {
        if self.leader.is_some() {
            self.tail.push(bytes.to_vec());
        }
    }

    /// So many of the leader's entries are agreed on, if it has a quorum.
    pub(super) fn agree(&mut self, entries: usize) {
        let up = self.replicas.iter().filter(|replica| replica.up).count();
        if self.leader.is_some() && 2 * up > self.replicas.len() {
            let entries = entries.min(self.tail.len());
            self.log.extend(self.tail.drain(..entries));
        }
    }

    /// The leader is gone: some of what it had not agreed on was with others, a prefix of it, and survives.
    pub(super) fn depose(&mut self, dice: &mut Dice) {
        let kept = dice.place(self.tail.len() + 1).unwrap_or_default();
        self.tail.truncate(kept);
        self.leader = None;
    }

    /// Somebody who is up leads, if a quorum is; what survived is agreed on with its first entry.
    pub(super) fn elect(&mut self, dice: &mut Dice) {
        let up: Vec<usize> = (0..self.replicas.len())
            .filter(|number| self.replicas[*number].up)
            .collect();
        if self.leader.is_none() && 2 * up.len() > self.replicas.len() {
            self.leader = dice.place(up.len()).map(|place| up[place]);
            self.agree(usize::MAX);
        }
    }

    pub(super) fn crash(&mut self, number: usize, dice: &mut Dice) {
        self.replicas[number].up = false;
        if self.leader == Some(number) {
            self.depose(dice);
        }
    }

    /// From its snapshot; the log is applied again from there.
    pub(super) fn restart(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        if !replica.up {
            (replica.applied, replica.tables) = (replica.snapshot.0, replica.snapshot.1.clone());
            replica.up = true;
        }
    }

    /// Writes its tables down; the log is not needed before them, unless another one is behind and lucky.
    pub(super) fn checkpoint(&mut self, number: usize, purge: bool) {
        let replica = &mut self.replicas[number];
        if replica.up {
            replica.snapshot = (replica.applied, replica.tables.clone());
            if purge {
                self.purged = self.purged.max(replica.applied);
            }
        }
    }

    /// Applies the next entry on a replica; one that is behind what is left of the log gets a snapshot instead.
    pub(super) fn apply_next(&mut self, number: usize) -> Result<Option<Applied>, String> {
        if !self.replicas[number].up {
            return Ok(None);
        }
        if self.replicas[number].applied < self.purged {
            return self.install(number).map(|()| None);
        }
        let index = self.replicas[number].applied;
        let Some(bytes) = self.log.get(index) else {
            return Ok(None);
        };
        let entry = Entry::decode(bytes).map_err(|fault| format!("codec: {fault}"))?;
        let replica = &mut self.replicas[number];
        let reply = apply(index as u64 + 1, &entry, &mut replica.tables).map_err(|fault| format!("fault: {fault}"))?;
        replica.applied += 1;
        let bytes = reply.encode();
        let first = index == self.replies.len();
        if first {
            self.replies.push(bytes.clone());
        }
        if self.replies.get(index) != Some(&bytes) {
            return Err(format!(
                "replicas: replica {number} answers entry {} differently",
                index + 1
            ));
        }
        if (index + 1).is_multiple_of(DIGEST_ENTRIES) {
            self.compare(number)?;
        }
        let reply = Reply::decode(&bytes).map_err(|fault| format!("codec: {fault}"))?;
        Ok(Some(Applied {
            index,
            entry,
            reply,
            first,
        }))
    }

    /// The snapshot of another replica takes the place of everything that this one had.
    fn install(&mut self, number: usize) -> Result<(), String> {
        let newest = self.replicas.iter().max_by_key(|replica| replica.snapshot.0);
        let snapshot = newest.map(|replica| replica.snapshot.clone()).unwrap_or_default();
        if snapshot.0 < self.purged {
            return Err("simulation: the log was purged without a snapshot".into());
        }
        let replica = &mut self.replicas[number];
        (replica.applied, replica.tables) = (snapshot.0, snapshot.1.clone());
        replica.snapshot = snapshot;
        Ok(())
    }

    /// Holds the rows of a replica against those of the others at the same entry.
    pub(super) fn compare(&mut self, number: usize) -> Result<(), String> {
        let replica = &self.replicas[number];
        let digest = digest(&replica.tables);
        if *self.digests.entry(replica.applied).or_insert(digest) == digest {
            return Ok(());
        }
        Err(format!(
            "replicas: replica {number} has other rows than another one after entry {}",
            replica.applied
        ))
    }

    /// Of everything that happened, for comparing two runs.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for bytes in self.log.iter().chain(&self.replies) {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        }
        for replica in &self.replicas {
            hash.update(digest(&replica.tables));
        }
        hash.finalize().into()
    }
}

fn digest(tables: &MemoryTables) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (table, key, value) in tables.rows() {
        hash.update([table.number()]);
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    hash.finalize().into()
}
