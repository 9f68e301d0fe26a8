//! The log inside sled: entries packed into frames of a few KiB, and the vote beside them.
//!
//! A frame is keyed by its first index. An entry too large for a frame is stored in parts, written in order, so that a
//! kill can only leave an unfinished entry at the very end, which nobody was told about. Must only be used by one
//! thread. Nothing here waits for the disk except [`Frames::flush`].

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::loaded::Loaded;
use super::packing::{PartReader, decode_packed, encode_packed, key, split_key};
use crate::codec::{Decoded, Decoder, Encoder};
use crate::disk::{self, Database, Disk, Tree};
use crate::limits::{LOG_FRAME_ENTRIES_MAX, RECORD_BYTES_MAX};
use crate::types::{Entry, LogId, Vote};
use crate::{OpenError, record};

const FLAG_PACKED: u8 = 0;
const FLAG_PART: u8 = 1;

const META_VOTE: &[u8] = b"vote";
const META_PURGED: &[u8] = b"purged";
const META_COMMITTED: &[u8] = b"committed";

/// Where one frame lies: `parts` records from key `(first, 0)` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) first: u64,
    pub(super) entries: u64,
    pub(super) parts: u16,
}

impl Frame {
    fn last(&self) -> u64 {
        self.first + self.entries - 1
    }
}

/// The database of the log.
pub(crate) struct Frames {
    db: Database,
    pub(super) log: Tree,
    meta: Tree,
    pub(super) frames: VecDeque<Frame>,
    purge_upto: Option<u64>,
}

impl Frames {
    /// Opens the database and reads everything in it, checking every frame.
    pub(crate) fn open(disk: &Disk, folder: &Path, cache_bytes: u64) -> Result<(Self, Loaded), OpenError> {
        let db = disk.open_database(folder, cache_bytes)?;
        let tree = |name: &str| disk::no_panic(|| db.open_tree(name));
        let failed = |error: io::Error| OpenError::unreadable(folder, error);
        let (log, meta) = (tree("log").map_err(failed)?, tree("meta").map_err(failed)?);
        let mut frames = Self {
            db,
            log,
            meta,
            frames: VecDeque::new(),
            purge_upto: None,
        };
        let reader = folder.to_path_buf();
        let loaded = disk::no_panic(|| Ok(frames.load(&reader)))
            .map_err(|error| OpenError::quarantine(folder, error.to_string()))??;
        Ok((frames, loaded))
    }

    fn load(&mut self, folder: &PathBuf) -> Result<Loaded, OpenError> {
        let damaged = |what: String| OpenError::quarantine(folder, what);
        let mut loaded = Loaded {
            vote: self.read_meta(META_VOTE, Decoder::vote).map_err(damaged)?,
            purged: self.read_meta(META_PURGED, Decoder::log_id).map_err(damaged)?,
            committed: self.read_meta(META_COMMITTED, Decoder::log_id).map_err(damaged)?,
            entries: Vec::new(),
        };
        let mut unfinished = PartReader::default();
        let mut stale = Vec::new();
        for row in self.log.iter() {
            let (key, value) = row.map_err(|error| damaged(error.to_string()))?;
            let (index, part) = split_key(&key).ok_or_else(|| damaged("a frame with a wrong key".into()))?;
            let (flags, payload) =
                record::open(&key, &value).map_err(|what| damaged(format!("frame {index}.{part} is {what}")))?;
            if flags == FLAG_PART && loaded.purged.is_some_and(|purged| index <= purged.index) {
                // Some of its parts may be gone: a purge removes them one by one.
                stale.push((index, part));
                continue;
            }
            let decoded = match flags {
                FLAG_PACKED if !unfinished.is_open() => decode_packed(payload).map(Some),
                FLAG_PART => unfinished.push(index, part, payload),
                _ => return Err(damaged(format!("frame {index}.{part} is in the wrong place"))),
            };
            let entries = decoded.map_err(|error| damaged(format!("frame {index}.{part}: {error}")))?;
            if let Some(entries) = entries {
                self.accept(index, part, entries, &mut loaded).map_err(damaged)?;
            }
        }
        let leftover = unfinished.leftover();
        if let Some((index, _)) = leftover.first() {
            tracing::warn!(index, "removing an entry that was being written when the process ended");
        }
        for (index, part) in stale.into_iter().rev().chain(leftover) {
            self.log
                .remove(&key(index, part))
                .map_err(|error| damaged(error.to_string()))?;
        }
        if let Some(purged) = loaded.purged {
            self.purge_upto = Some(purged.index);
        }
        Ok(loaded)
    }

    fn accept(&mut self, first: u64, last_part: u16, entries: Vec<Entry>, loaded: &mut Loaded) -> Result<(), String> {
        let purged = loaded.purged.map_or(0, |id| id.index + 1);
        self.frames.push_back(Frame {
            first,
            entries: entries.len() as u64,
            parts: last_part + 1,
        });
        for (place, entry) in entries.into_iter().enumerate() {
            let index = entry.log_id.index;
            if index != first + place as u64 {
                return Err(format!("frame {first} holds entry {index} at place {place}"));
            }
            if index < purged {
                continue;
            }
            let expected = match loaded.entries.last() {
                Some(last) => Some(last.log_id.index + 1),
                None => loaded.purged.map(|id| id.index + 1),
            };
            if expected.is_some_and(|expected| expected != index) {
                return Err(format!("entries are missing before {index}"));
            }
            loaded.entries.push(entry);
        }
        Ok(())
    }

    pub(super) fn read_meta<T>(
        &self,
        name: &[u8],
        decode: impl FnOnce(&mut Decoder) -> Decoded<T>,
    ) -> Result<Option<T>, String> {
        let label = String::from_utf8_lossy(name);
        let Some(value) = self.meta.get(name).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let (_, payload) = record::open(name, &value).map_err(|what| format!("the record of {label} is {what}"))?;
        decode(&mut Decoder::new(Bytes::copy_from_slice(payload)))
            .map(Some)
            .map_err(|error| format!("the record of {label}: {error}"))
    }

    pub(super) fn write_meta(&self, name: &[u8], encode: impl FnOnce(&mut Encoder)) -> io::Result<()> {
        let mut encoder = Encoder::default();
        encode(&mut encoder);
        self.meta.insert(name, record::seal(name, 0, &encoder.finish())?)
    }

    pub(crate) fn save_vote(&self, vote: &Vote) -> io::Result<()> {
        self.write_meta(META_VOTE, |encoder| encoder.vote(vote))
    }

    pub(crate) fn save_committed(&self, committed: Option<&LogId>) -> io::Result<()> {
        match committed {
            Some(committed) => self.write_meta(META_COMMITTED, |encoder| encoder.log_id(committed)),
            None => self.meta.remove(META_COMMITTED),
        }
    }

    /// Adds entries that follow the last one.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut packed: Vec<&Entry> = Vec::new();
        let mut packed_bytes = 0;
        for entry in entries {
            let size = crate::codec::log::ENTRY_HEAD_BYTES + entry.size();
            let full = packed.len() >= LOG_FRAME_ENTRIES_MAX || packed_bytes + size > RECORD_BYTES_MAX;
            if full {
                self.write_packed(&packed)?;
                packed.clear();
                packed_bytes = 0;
            }
            if size > RECORD_BYTES_MAX {
                self.write_parts(entry)?;
            } else {
                packed.push(entry);
                packed_bytes += size;
            }
        }
        self.write_packed(&packed)
    }

    fn write_packed(&mut self, entries: &[&Entry]) -> io::Result<()> {
        let Some(first) = entries.first().map(|entry| entry.log_id.index) else {
            return Ok(());
        };
        self.put(first, 0, FLAG_PACKED, &encode_packed(entries))?;
        self.frames.push_back(Frame {
            first,
            entries: entries.len() as u64,
            parts: 1,
        });
        Ok(())
    }

    fn write_parts(&mut self, entry: &Entry) -> io::Result<()> {
        let index = entry.log_id.index;
        let bytes = encode_packed(&[entry]);
        let total = bytes.len().div_ceil(RECORD_BYTES_MAX);
        let parts = u16::try_from(total).map_err(|_| io::Error::other("an entry of too many parts"))?;
        for (part, chunk) in (0..parts).zip(bytes.chunks(RECORD_BYTES_MAX)) {
            let mut payload = Encoder::default();
            payload.u16(parts);
            payload.raw(chunk);
            self.put(index, part, FLAG_PART, &payload.finish())?;
        }
        self.frames.push_back(Frame {
            first: index,
            entries: 1,
            parts,
        });
        Ok(())
    }

    fn put(&self, index: u64, part: u16, flags: u8, payload: &[u8]) -> io::Result<()> {
        let key = key(index, part);
        self.log.insert(&key, record::seal(&key, flags, payload)?)
    }

    fn remove(&self, frame: Frame) -> io::Result<()> {
        // From the end, so that what a kill leaves is a shorter entry and never one without a beginning.
        for part in (0..frame.parts).rev() {
            self.log.remove(&key(frame.first, part))?;
        }
        Ok(())
    }

    /// Removes entries above `after`, or all of them, from the end backwards.
    pub(crate) fn truncate(&mut self, after: Option<u64>) -> io::Result<()> {
        while let Some(frame) = self.frames.back().copied() {
            match after {
                Some(after) if frame.last() <= after => return Ok(()),
                Some(after) if frame.first <= after => return self.shorten_last(after),
                Some(_) | None => {
                    self.remove(frame)?;
                    self.frames.pop_back();
                }
            }
        }
        Ok(())
    }

    /// Rewrites the last frame without the entries above `after`, with one insert.
    fn shorten_last(&mut self, after: u64) -> io::Result<()> {
        let Some(frame) = self.frames.back_mut() else {
            return Ok(());
        };
        let key = key(frame.first, 0);
        let value = self
            .log
            .get(&key)?
            .ok_or_else(|| io::Error::other("a frame is missing"))?;
        let (_, payload) = record::open(&key, &value).map_err(io::Error::other)?;
        let mut entries = decode_packed(payload).map_err(io::Error::other)?;
        entries.retain(|entry| entry.log_id.index <= after);
        frame.entries = entries.len() as u64;
        let first = frame.first;
        self.put(
            first,
            0,
            FLAG_PACKED,
            &encode_packed(&entries.iter().collect::<Vec<_>>()),
        )
    }

    /// Records that entries up to `upto` are not needed; [`Frames::purge_some`] removes them.
    pub(crate) fn purge(&mut self, upto: &LogId) -> io::Result<()> {
        self.write_meta(META_PURGED, |encoder| encoder.log_id(upto))?;
        self.purge_upto = self.purge_upto.max(Some(upto.index));
        Ok(())
    }

    /// Removes up to `frames` frames that are purged, from the front; tells whether more are left.
    pub(crate) fn purge_some(&mut self, frames: usize) -> io::Result<bool> {
        let Some(upto) = self.purge_upto else {
            return Ok(false);
        };
        for _ in 0..frames {
            match self.frames.front().copied() {
                Some(frame) if frame.last() <= upto => {
                    self.remove(frame)?;
                    self.frames.pop_front();
                }
                Some(_) | None => {
                    self.purge_upto = None;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Damages the log behind the writer's back.
    #[cfg(test)]
    pub(crate) fn lose_frame(&self, first: u64, part: u16) {
        let key = key(first, part);
        assert!(self.log.get(&key).unwrap().is_some());
        self.log.remove(&key).unwrap();
    }

    /// Returns when everything before is on disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.db.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Command, LeaderId, Payload};

    fn entry(index: u64, size: usize) -> Entry {
        let leader_id = LeaderId { term: 1, node_id: 1 };
        let payload = Payload::Command(Command(vec![3; size].into()));
        Entry {
            log_id: LogId { leader_id, index },
            payload,
        }
    }

    fn open(folder: &Path) -> (Frames, Loaded) {
        Frames::open(&Disk::Real, folder, 1 << 20).unwrap()
    }

    #[test]
    fn a_large_entry_half_removed_by_a_purge_does_not_brick_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (mut frames, _) = open(folder.path());
        let entries: Vec<Entry> = (0..4).map(|index| entry(index, 3 * RECORD_BYTES_MAX)).collect();
        frames.append(&entries).unwrap();
        frames.purge(&entries[1].log_id).unwrap();
        frames.lose_frame(0, 3);
        frames.flush().unwrap();
        drop(frames);
        for _ in 0..2 {
            let (frames, loaded) = open(folder.path());
            assert_eq!(loaded.entries, entries[2..]);
            drop(frames);
        }
    }

    #[test]
    fn a_large_entry_half_written_or_half_cut_at_the_end_was_never_there() {
        let folder = tempfile::tempdir().unwrap();
        let (mut frames, _) = open(folder.path());
        let entries = [entry(0, 10), entry(1, 3 * RECORD_BYTES_MAX)];
        frames.append(&entries).unwrap();
        frames.lose_frame(1, 3);
        frames.lose_frame(1, 2);
        frames.flush().unwrap();
        drop(frames);
        let (mut frames, loaded) = open(folder.path());
        assert_eq!(loaded.entries, entries[..1]);
        frames.append(&[entry(1, 10), entry(2, 5000)]).unwrap();
        drop(frames);
        assert_eq!(open(folder.path()).1.entries.len(), 3);
    }

    #[test]
    fn a_missing_part_in_the_middle_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let (mut frames, _) = open(folder.path());
        frames.append(&[entry(0, 3 * RECORD_BYTES_MAX), entry(1, 10)]).unwrap();
        frames.lose_frame(0, 1);
        drop(frames);
        assert!(matches!(
            Frames::open(&Disk::Real, folder.path(), 1 << 20),
            Err(OpenError::Quarantine { .. })
        ));
    }
}
