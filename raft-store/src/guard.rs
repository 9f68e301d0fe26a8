//! A second, independent record of what this member has promised: its vote, and how far its log reached the disk.
//!
//! Damage at the end of a log looks like a write that was cut short, and sled answers some damage with a shorter history.
//! This file holds a lower bound: less than it on opening means that something was lost, and the folder must not be used. Every update comes after the fact it records has
//! reached the disk; only a truncation lowers it, and before the log is cut. The same file names the lives of this folder
//! and what was seen of other members' (see `lives`): there it costs no write of its own.

mod slot;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;

use self::slot::{Owner, SLOT_BYTES};
use crate::disk::{Disk, DiskFile};
use crate::identity::Identity;
use crate::limits::{GUARD_REFRESH_INTERVAL, MEMBERS_REMEMBERED_MAX};
use crate::lives::{Life, Lineage, Memory};
use crate::tip::{self, Tip};
use crate::types::{LogId, Vote};
use crate::{OpenError, entropy};

const FILE: &str = "guard";
/// What has been promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    pub(crate) vote: Option<Vote>,
    /// Last entry known to be on disk.
    pub(crate) log: Option<LogId>,
    /// Number of entries that the last checkpoint of the tables covers.
    pub(crate) checkpoint: u64,
    /// Whether the store was closed in order.
    pub(crate) clean: bool,
}

/// The file, open for as long as the store runs.
pub(crate) struct Guard {
    disk: Disk,
    file: DiskFile,
    tip: Tip,
    owner: Owner,
    state: Mutex<State>,
    /// What was seen of other members; written with the next promise.
    members: Mutex<BTreeMap<u64, Memory>>,
}

struct State {
    promises: Promises,
    /// Its `now` reached the number of the last write.
    lineage: Lineage,
    written_at: Instant,
    /// The log position in memory is newer than the one on disk.
    stale: bool,
}

/// What the file of a folder held when it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    lineage: Lineage,
    members: BTreeMap<u64, Memory>,
    pub(crate) promises: Promises,
    /// Which boot of the machine it was written in.
    pub(crate) boot_id: [u8; 16],
}

/// Reads the promises of a folder and changes nothing.
pub(crate) fn peek(disk: &Disk, folder: &Path, identity: Identity) -> Result<Found, OpenError> {
    let path = folder.join(FILE);
    let bytes = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
    let mut found = slot::choose(&bytes.unwrap_or_default(), disk, folder, identity)?;
    let tip = tip::peek(disk, folder, identity).map_err(OpenError::io("cannot read", folder.join("tip")))?;
    let above = |tip: &LogId| found.promises.log.is_none_or(|log| tip.index > log.index);
    if tip.as_ref().is_some_and(above) {
        found.promises.log = tip;
    }
    Ok(found)
}

impl Guard {
    /// Opens the file of the folder, or starts it for a new one, and tells what it held. A new life begins: that is on disk
    /// when this returns.
    pub(crate) fn open(disk: &Disk, folder: &Path, identity: Identity) -> Result<(Self, Promises), OpenError> {
        let path = folder.join(FILE);
        let Found {
            lineage,
            members,
            promises,
            ..
        } = peek(disk, folder, identity)?;
        let reached = lineage.now.reached;
        let file = disk
            .open_synced_file(&path)
            .map_err(OpenError::io("cannot open", &path))?;
        let tip = Tip::open(disk, folder, identity).map_err(OpenError::io("cannot open", folder.join("tip")))?;
        let state = State {
            promises: promises.clone(),
            lineage: lineage.next(entropy::identity(), reached),
            written_at: Instant::now(),
            stale: false,
        };
        let guard = Self {
            disk: disk.clone(),
            file,
            tip,
            owner: Owner {
                identity,
                boot_id: boot_id(),
            },
            state: Mutex::new(state),
            members: Mutex::new(members),
        };
        guard
            .update(|promises| promises.clean = false)
            .and_then(|()| guard.file.sync())
            .and_then(|()| disk.sync_folder(folder))
            .map_err(OpenError::io("cannot write", &path))?;
        Ok((guard, promises))
    }

    /// The data folder that these promises belong to.
    pub(crate) fn owner(&self) -> [u8; 16] {
        self.owner.identity.incarnation
    }

    /// The lives of this folder, as far as they are on disk.
    pub(crate) fn lineage(&self) -> Lineage {
        self.state.lock().lineage.clone()
    }

    /// What has been promised, as far as this process knows.
    #[cfg(feature = "cluster-sim")]
    pub(crate) fn promises(&self) -> Promises {
        self.state.lock().promises.clone()
    }

    /// What was seen of other members.
    pub(crate) fn members(&self) -> BTreeMap<u64, Memory> {
        self.members.lock().clone()
    }

    /// Remembers a new life of a member; on disk when this returns.
    pub(crate) fn remember(&self, id: u64, memory: Memory) -> io::Result<()> {
        {
            let mut members = self.members.lock();
            if members.len() >= MEMBERS_REMEMBERED_MAX && !members.contains_key(&id) {
                tracing::warn!(
                    node = id,
                    "there are more members than are remembered: an old image of it is not noticed here"
                );
                return Ok(());
            }
            members.insert(id, memory);
        }
        self.update(|_| {})
    }

    /// A life that is remembered got this far.
    pub(crate) fn saw(&self, id: u64, life: Life) {
        if let Some(memory) = self
            .members
            .lock()
            .get_mut(&id)
            .filter(|memory| memory.life.id == life.id)
        {
            memory.life.reached = memory.life.reached.max(life.reached);
        }
    }

    /// A member that is remembered has so many committed entries.
    pub(crate) fn held(&self, id: u64, entries: u64) {
        if let Some(memory) = self.members.lock().get_mut(&id) {
            memory.held = memory.held.max(entries);
        }
    }

    /// Forgets members that never come back.
    pub(crate) fn forget(&self, gone: impl Fn(u64) -> bool) {
        self.members.lock().retain(|id, _| !gone(*id));
    }

    /// The log is about to be cut behind `after`: nothing above it is promised any more. Returns when that is on disk.
    pub(crate) fn lower_log(&self, after: Option<LogId>) -> io::Result<()> {
        self.update(|promises| {
            let above = |log: &LogId| after.is_none_or(|after| log.index > after.index);
            if promises.log.as_ref().is_some_and(above) {
                promises.log = after;
            }
        })?;
        self.tip.lower(after)
    }

    /// Changes the promises and returns when they are on disk.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Promises)) -> io::Result<()> {
        let mut state = self.state.lock();
        change(&mut state.promises);
        self.write(&mut state)
    }

    /// The log reached the disk up to `last`; kept in memory, and written when the last write is old enough.
    pub(crate) fn log_flushed(&self, last: Option<LogId>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.promises.log != last {
            self.tip.raise(last)?;
            state.promises.log = last;
            state.stale = true;
        }
        drop(state);
        self.refresh_if_old()
    }

    /// Writes what is only in memory, if the last write is old enough.
    pub(crate) fn refresh_if_old(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.stale && self.disk.is_older(state.written_at, GUARD_REFRESH_INTERVAL) {
            self.write(&mut state)
        } else {
            Ok(())
        }
    }

    /// Whether something is only in memory.
    pub(crate) fn is_stale(&self) -> bool {
        self.state.lock().stale
    }

    fn write(&self, state: &mut State) -> io::Result<()> {
        let mut lineage = state.lineage.clone();
        lineage.now.reached += 1;
        let members = self.members.lock().clone();
        let slot = slot::encode(self.owner, &lineage, &state.promises, &members);
        self.file
            .write_all_at(&slot, (lineage.now.reached % 2) * SLOT_BYTES as u64)?;
        state.lineage = lineage;
        state.written_at = Instant::now();
        state.stale = false;
        Ok(())
    }
}

/// Identity of this boot of the machine; a change tells that the kernel, not only the process, went down.
pub(crate) fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LIVES_REMEMBERED_MAX;
    use crate::types::LeaderId;

    const OWNER: Identity = Identity {
        cluster_id: [3; 16],
        node_id: 4,
        incarnation: [5; 16],
    };

    fn log_id(index: u64) -> LogId {
        LogId {
            leader_id: LeaderId { term: 2, node_id: 1 },
            index,
        }
    }

    #[test]
    fn promises_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let (guard, empty) = Guard::open(&Disk::Real, folder.path(), OWNER).unwrap();
        assert_eq!(empty, Promises::default());
        let vote = Vote {
            leader: LeaderId { term: 2, node_id: 1 },
            committed: true,
        };
        guard
            .update(|promises| (promises.vote, promises.log) = (Some(vote), Some(log_id(9))))
            .unwrap();
        drop(guard);
        assert!(
            matches!(
                Guard::open(&Disk::Real, folder.path(), OWNER),
                Err(OpenError::Quarantine { .. })
            ),
            "the log is gone"
        );
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let (_, found) = Guard::open(&Disk::Real, folder.path(), OWNER).unwrap();
        assert_eq!(
            (found.vote, found.log, found.clean),
            (Some(vote), Some(log_id(9)), false)
        );
    }

    #[test]
    fn a_torn_write_leaves_the_promise_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let (guard, _) = Guard::open(&Disk::Real, folder.path(), OWNER).unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        guard.update(|promises| promises.checkpoint = 10).unwrap();
        guard.update(|promises| promises.checkpoint = 11).unwrap();
        let torn = guard.lineage().now.reached % 2;
        drop(guard);
        let file = Disk::Real.open_synced_file(&folder.path().join(FILE)).unwrap();
        file.write_all_at(&[0xff; 40], torn * SLOT_BYTES as u64 + 20).unwrap();
        assert_eq!(Guard::open(&Disk::Real, folder.path(), OWNER).unwrap().1.checkpoint, 10);
    }

    #[test]
    fn every_start_is_a_life_and_the_fullest_slot_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut ends = Vec::new();
        for start in 1..=LIVES_REMEMBERED_MAX as u64 + 2 {
            let (guard, _) = Guard::open(&Disk::Real, folder.path(), OWNER).unwrap();
            let lineage = guard.lineage();
            let kept = ends.len().saturating_sub(LIVES_REMEMBERED_MAX);
            assert_eq!((lineage.starts, &lineage.before[..]), (start, &ends[kept..]));
            guard.update(|_| {}).unwrap();
            ends.push(guard.lineage().now);
        }
        let (guard, _) = Guard::open(&Disk::Real, folder.path(), OWNER).unwrap();
        let memory = |id: u8| Memory {
            incarnation: [id; 16],
            life: Life {
                id: [id; 16],
                reached: u64::MAX,
            },
            held: u64::MAX,
        };
        for id in 0..=MEMBERS_REMEMBERED_MAX as u64 {
            guard.remember(id, memory(u8::try_from(id).unwrap())).unwrap();
        }
        let vote = Vote {
            leader: LeaderId { term: 2, node_id: 1 },
            committed: true,
        };
        guard
            .update(|promises| (promises.vote, promises.log) = (Some(vote), Some(log_id(9))))
            .unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let found = peek(&Disk::Real, folder.path(), OWNER).unwrap();
        assert_eq!(found.members, guard.members());
        assert_eq!(found.members.len(), MEMBERS_REMEMBERED_MAX);
        assert_eq!((found.lineage, found.promises.vote), (guard.lineage(), Some(vote)));
    }

    #[test]
    fn a_guard_of_another_node_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Guard::open(&Disk::Real, folder.path(), OWNER).unwrap());
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let other = Identity { node_id: 5, ..OWNER };
        assert!(matches!(
            Guard::open(&Disk::Real, folder.path(), other),
            Err(OpenError::Quarantine { .. })
        ));
    }
}
