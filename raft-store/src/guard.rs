//! A second, independent record of what this member has promised: its vote, and how far its log reached the disk.
//!
//! sled answers some damage with a silently shorter history. This file holds a lower bound: less than it on opening
//! means that something was lost, and the folder must not be used. Every update comes after the fact it records has
//! reached the disk; only a truncation lowers it, and before the log is cut.

use std::io;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::OpenError;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::disk::{Disk, DiskFile};
use crate::identity::Identity;
use crate::limits::GUARD_REFRESH_INTERVAL;
use crate::tip::{self, Tip};
use crate::types::{LogId, Vote};

const FILE: &str = "guard";
const MAGIC: u32 = 0x5446_4755;
const SLOT_BYTES: usize = 4096;

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
    identity: Identity,
    boot_id: [u8; 16],
    state: Mutex<State>,
}

struct State {
    promises: Promises,
    generation: u64,
    written_at: Instant,
    /// The log position in memory is newer than the one on disk.
    stale: bool,
}

/// What the file of a folder held when it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    generation: u64,
    pub(crate) promises: Promises,
    /// Which boot of the machine it was written in.
    pub(crate) boot_id: [u8; 16],
}

/// Reads the promises of a folder and changes nothing.
pub(crate) fn peek(disk: &Disk, folder: &Path, identity: Identity) -> Result<Found, OpenError> {
    let path = folder.join(FILE);
    let bytes = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
    let mut found = choose(&bytes.unwrap_or_default(), disk, folder, identity)?;
    let tip = tip::peek(disk, folder, identity).map_err(OpenError::io("cannot read", folder.join("tip")))?;
    let above = |tip: &LogId| found.promises.log.is_none_or(|log| tip.index > log.index);
    if tip.as_ref().is_some_and(above) {
        found.promises.log = tip;
    }
    Ok(found)
}

impl Guard {
    /// Opens the file of the folder, or starts it for a new one, and tells what it holds.
    pub(crate) fn open(disk: &Disk, folder: &Path, identity: Identity) -> Result<(Self, Promises), OpenError> {
        let path = folder.join(FILE);
        let Found {
            generation, promises, ..
        } = peek(disk, folder, identity)?;
        let file = disk
            .open_synced_file(&path)
            .map_err(OpenError::io("cannot open", &path))?;
        let tip = Tip::open(disk, folder, identity).map_err(OpenError::io("cannot open", folder.join("tip")))?;
        let state = State {
            promises: promises.clone(),
            generation,
            written_at: Instant::now(),
            stale: false,
        };
        let guard = Self {
            disk: disk.clone(),
            file,
            tip,
            identity,
            boot_id: boot_id(),
            state: Mutex::new(state),
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
        self.identity.incarnation
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
        let generation = state.generation + 1;
        let slot = self.encode(generation, &state.promises);
        self.file.write_all_at(&slot, (generation % 2) * SLOT_BYTES as u64)?;
        state.generation = generation;
        state.written_at = Instant::now();
        state.stale = false;
        Ok(())
    }

    fn encode(&self, generation: u64, promises: &Promises) -> Vec<u8> {
        let mut body = Encoder::versioned();
        body.u64(generation);
        body.raw(&self.identity.cluster_id);
        body.u64(self.identity.node_id);
        body.option(promises.vote.as_ref(), Encoder::vote);
        body.log_id_option(promises.log.as_ref());
        body.u64(promises.checkpoint);
        body.raw(&self.boot_id);
        body.bool(promises.clean);
        let body = body.finish();
        let mut slot = Encoder::default();
        slot.u32(MAGIC);
        slot.u32(crc32c::crc32c(&body));
        slot.bytes(&body);
        let mut slot = slot.finish().to_vec();
        slot.resize(SLOT_BYTES, 0);
        slot
    }
}

/// The newer of the two slots that are whole. A torn write spoils one of them at most.
///
/// Without a log beside it, a missing promise only means that the folder is new.
fn choose(bytes: &[u8], disk: &Disk, folder: &Path, identity: Identity) -> Result<Found, OpenError> {
    let slots = bytes.chunks_exact(SLOT_BYTES);
    let whole = slots.filter_map(|slot| decode_slot(Bytes::copy_from_slice(slot), identity).ok());
    let newest = whole.max_by_key(|found| found.generation);
    match (newest, disk.exists(&folder.join("log"))) {
        (Some(found), true) => Ok(found),
        (Some(found), false) => {
            let promises = &found.promises;
            if promises.vote.is_some() || promises.log.is_some() || promises.checkpoint > 0 {
                return Err(OpenError::quarantine(
                    folder,
                    "its log is missing, although this node has voted or stored entries",
                ));
            }
            Ok(found)
        }
        (None, true) => Err(OpenError::quarantine(
            folder,
            "its guard file is missing, damaged or of another node",
        )),
        (None, false) => Ok(Found::default()),
    }
}

fn decode_slot(bytes: Bytes, identity: Identity) -> Decoded<Found> {
    let mut slot = Decoder::new(bytes);
    if slot.u32("magic")? != MAGIC {
        return Err(DecodeError::Invalid("magic"));
    }
    let checksum = slot.u32("checksum")?;
    let body = slot.bytes("body")?;
    if crc32c::crc32c(&body) != checksum {
        return Err(DecodeError::Invalid("checksum"));
    }
    let mut body = Decoder::versioned(body)?;
    let generation = body.u64("generation")?;
    if body.fixed::<16>("cluster")? != identity.cluster_id || body.u64("node")? != identity.node_id {
        return Err(DecodeError::Invalid("owner"));
    }
    let vote = body.option("vote", Decoder::vote)?;
    let log = body.log_id_option()?;
    let checkpoint = body.u64("checkpoint")?;
    let boot_id = body.fixed::<16>("boot id")?;
    let clean = body.bool("clean")?;
    Ok(Found {
        generation,
        promises: Promises {
            vote,
            log,
            checkpoint,
            clean,
        },
        boot_id,
    })
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
        let torn = guard.state.lock().generation % 2;
        drop(guard);
        let file = Disk::Real.open_synced_file(&folder.path().join(FILE)).unwrap();
        file.write_all_at(&[0xff; 40], torn * SLOT_BYTES as u64 + 20).unwrap();
        assert_eq!(Guard::open(&Disk::Real, folder.path(), OWNER).unwrap().1.checkpoint, 10);
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
