//! What can be seen of a simulated member from outside: how far it is, what it holds, what stopped it.
//!
//! Must not change anything.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

use openraft::async_runtime::watch::WatchReceiver as _;
use sha2::{Digest, Sha256};

use super::Cluster;
use super::member::Running;
use crate::types::{LogId, Payload};

/// Term and member.
type Leader = (u64, u64);

/// The last entry that a member knows to be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the log.
    pub index: u64,
    /// Who wrote it.
    pub leader: Leader,
}

/// What one member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it runs.
    pub up: bool,
    /// Which of all lives of members this is.
    pub life: u64,
    /// Whether it says that it leads.
    pub leads: bool,
    /// Term and member of the vote that it gave, and says to have on its disk.
    pub vote: Leader,
    /// Entries that it has applied.
    pub seen: u64,
    /// Entries that its tables on disk contain.
    pub checkpoint: u64,
    /// Number of entries that are gone from its log.
    pub purged: u64,
    /// The last entry that it knows to be agreed on.
    pub committed: Option<Committed>,
    /// Entries that it would still have after its power went.
    pub durable: u64,
    /// The voters that it goes by; more than one set in the middle of a change.
    pub voters: Vec<BTreeSet<u64>>,
    /// Whether it knows that these are agreed on.
    pub voters_agreed: bool,
    /// Snapshots that took the place of its tables in this life.
    pub installed: u64,
    /// What stopped it.
    pub fault: Option<String>,
    /// Whether its disk has lost its power.
    pub unplugged: bool,
}

/// One entry of a member's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its place.
    pub index: u64,
    /// Who wrote it.
    pub leader: Leader,
    /// Checksum of what it carries.
    pub sum: u32,
}

impl Cluster {
    /// What a member says of itself.
    #[must_use]
    pub fn facts(&self, id: u64) -> Facts {
        let members = self.members.lock();
        let Some(member) = members.get(&id) else {
            return Facts::default();
        };
        let unplugged = member.disk.is_stopped();
        let facts = member.running.as_ref().map(of);
        let down = || Facts {
            durable: member.durable,
            ..Facts::default()
        };
        Facts {
            unplugged,
            ..facts.unwrap_or_else(down)
        }
    }

    /// Digests of a member's rows after an entry and later ones, by entry.
    #[must_use]
    pub fn digests(&self, id: u64, from: u64) -> Vec<(u64, String)> {
        self.seen_by(id, |running| {
            let digests = running.state.digests();
            let newer = digests.range(from..);
            newer.map(|(index, digest)| (*index, digest.to_string())).collect()
        })
        .unwrap_or_default()
    }

    /// The log that a member has in memory, of which some may not be on its disk.
    #[must_use]
    pub fn log(&self, id: u64) -> Vec<LogLine> {
        self.seen_by(id, |running| {
            let entries = running.log.all().into_iter();
            let line = |entry: crate::types::Entry| LogLine {
                index: entry.log_id.index,
                leader: leader(&entry.log_id),
                sum: sum(&entry.payload),
            };
            entries.map(line).collect()
        })
        .unwrap_or_default()
    }

    /// How many entries a member has applied, and a hash of every row that it holds then.
    ///
    /// # Errors
    /// The rows cannot be read, or do not have the digest that was kept with them.
    pub fn rows(&self, id: u64) -> Result<(u64, [u8; 32]), String> {
        self.seen_by(id, |running| {
            let Some(mark) = running.state.applied() else {
                return Ok((0, [0; 32]));
            };
            let rows = running.state.view().page(b"", usize::MAX);
            let rows = rows.map_err(|error| error.to_string())?;
            let (mut hash, mut digest) = (Sha256::new(), crate::state::RowsDigest::default());
            for (row, value) in &rows {
                digest.add(row, value);
                for part in [row, value] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            }
            if digest == mark.digest {
                Ok((mark.seen(), hash.finalize().into()))
            } else {
                Err(format!("its rows are {digest}, its mark says {}", mark.digest))
            }
        })
        .unwrap_or_else(|| Err("it does not run".into()))
    }

    fn seen_by<T>(&self, id: u64, look: impl FnOnce(&Running) -> T) -> Option<T> {
        let members = self.members.lock();
        members.get(&id)?.running.as_ref().map(look)
    }
}

fn of(running: &Running) -> Facts {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched();
    let consensus = metrics.running_state.as_ref().err().map(ToString::to_string);
    Facts {
        up: true,
        life: running.life,
        leads: metrics.state.is_leader(),
        vote: (metrics.vote.leader.term, metrics.vote.leader.node_id),
        seen: *running.state.seen().borrow(),
        checkpoint: running.state.saved_entries(),
        purged: metrics.purged.map_or(0, |id| id.index + 1),
        committed: metrics.local_committed.as_ref().map(|id| Committed {
            index: id.index,
            leader: leader(id),
        }),
        durable: durable(running),
        voters: metrics.membership_config.membership().get_joint_config().clone(),
        voters_agreed: *metrics.membership_config.log_id() <= metrics.local_committed,
        installed: running.state.counters().snapshots_installed.load(SeqCst),
        fault: running.fault.get().map(|fault| fault.to_string()).or(consensus),
        unplugged: false,
    }
}

fn leader(id: &LogId) -> Leader {
    (id.leader_id.term, id.leader_id.node_id)
}

/// Entries that a member would still have after its power went.
pub(super) fn durable(running: &Running) -> u64 {
    let promised = running.guard.promises();
    promised.log.map_or(0, |last| last.index + 1).max(promised.checkpoint)
}

fn sum(payload: &Payload) -> u32 {
    match payload {
        Payload::Blank => 0,
        Payload::Command(command) => crc32c::crc32c(&command.0),
        Payload::System(command) => crc32c::crc32c(command),
        Payload::Membership(membership) => crc32c::crc32c(format!("{membership:?}").as_bytes()),
    }
}
