//! The log inside sled: entries packed into frames of a few KiB, and the vote beside them.
//!
//! A frame is keyed by its first index. An entry too large for a frame is stored in parts, written in order, so that a
//! kill can only leave an unfinished entry at the very end, which nobody was told about. Must only be used by one
//! thread. Nothing here waits for the disk except [`Frames::flush`].

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::codec::{Decoded, Decoder, Encoder};
use crate::disk::{self, sled_error};
use crate::limits::{LOG_FRAME_ENTRIES_MAX, RECORD_BYTES_MAX};
use crate::types::{Entry, LogId, Vote};
use crate::{OpenError, record};

const FLAG_PACKED: u8 = 0;
const FLAG_PART: u8 = 1;

const META_VOTE: &[u8] = b"vote";
const META_PURGED: &[u8] = b"purged";
const META_COMMITTED: &[u8] = b"committed";

/// What was on disk.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) entries: Vec<Entry>,
}

/// Where one frame lies: `parts` records from key `(first, 0)` on.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first: u64,
    entries: u64,
    parts: u16,
}

impl Frame {
    fn last(&self) -> u64 {
        self.first + self.entries - 1
    }
}

/// The database of the log.
pub(crate) struct Frames {
    db: sled::Db,
    log: sled::Tree,
    meta: sled::Tree,
    frames: VecDeque<Frame>,
    purge_upto: Option<u64>,
}

fn key(index: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&index.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn split_key(key: &[u8]) -> Option<(u64, u16)> {
    let (index, part) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*index), u16::from_be_bytes(part.try_into().ok()?)))
}

impl Frames {
    /// Opens the database and reads everything in it, checking every frame.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<(Self, Loaded), OpenError> {
        let db = disk::open_sled(folder, cache_bytes)?;
        let failed = |error: sled::Error| OpenError::quarantine(folder, format!("sled reports {error}"));
        let log = db.open_tree("log").map_err(failed)?;
        let meta = db.open_tree("meta").map_err(failed)?;
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
        for row in self.log.iter() {
            let (key, value) = row.map_err(|error| damaged(format!("sled reports {error}")))?;
            let (index, part) = split_key(&key).ok_or_else(|| damaged("a frame with a wrong key".into()))?;
            let (flags, payload) =
                record::open(&key, &value).map_err(|what| damaged(format!("frame {index}.{part} is {what}")))?;
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
        for (index, part) in unfinished.leftover() {
            tracing::warn!(
                index,
                part,
                "removing an entry that was being written when the process ended"
            );
            self.log
                .remove(key(index, part))
                .map_err(|error| damaged(format!("sled reports {error}")))?;
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

    fn read_meta<T>(&self, name: &[u8], decode: impl FnOnce(&mut Decoder) -> Decoded<T>) -> Result<Option<T>, String> {
        let label = String::from_utf8_lossy(name);
        let Some(value) = self.meta.get(name).map_err(|error| format!("sled reports {error}"))? else {
            return Ok(None);
        };
        let (_, payload) = record::open(name, &value).map_err(|what| format!("the record of {label} is {what}"))?;
        decode(&mut Decoder::new(Bytes::copy_from_slice(payload)))
            .map(Some)
            .map_err(|error| format!("the record of {label}: {error}"))
    }

    fn write_meta(&self, name: &[u8], encode: impl FnOnce(&mut Encoder)) -> io::Result<()> {
        let mut encoder = Encoder::default();
        encode(&mut encoder);
        self.meta
            .insert(name, record::seal(name, 0, &encoder.finish())?)
            .map_err(sled_error)?;
        Ok(())
    }

    pub(crate) fn save_vote(&self, vote: &Vote) -> io::Result<()> {
        self.write_meta(META_VOTE, |encoder| encoder.vote(vote))
    }

    pub(crate) fn save_committed(&self, committed: Option<&LogId>) -> io::Result<()> {
        match committed {
            Some(committed) => self.write_meta(META_COMMITTED, |encoder| encoder.log_id(committed)),
            None => self.meta.remove(META_COMMITTED).map(drop).map_err(sled_error),
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
        self.log
            .insert(key, record::seal(&key, flags, payload)?)
            .map_err(sled_error)?;
        Ok(())
    }

    fn remove(&self, frame: Frame) -> io::Result<()> {
        // From the end, so that what a kill leaves is a shorter entry and never one without a beginning.
        for part in (0..frame.parts).rev() {
            self.log.remove(key(frame.first, part)).map_err(sled_error)?;
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
            .get(key)
            .map_err(sled_error)?
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
    pub(crate) fn lose_frame(&self, first: u64) {
        self.log.remove(key(first, 0)).unwrap();
    }

    /// Returns when everything before is on disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.db.flush().map(drop).map_err(sled_error)
    }
}

fn encode_packed(entries: &[&Entry]) -> Bytes {
    let mut encoder = Encoder::default();
    encoder.count(entries.len());
    for entry in entries {
        encoder.entry(entry);
    }
    encoder.finish()
}

fn decode_packed(payload: &[u8]) -> Decoded<Vec<Entry>> {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(payload));
    let count = decoder.count(crate::codec::log::ENTRY_HEAD_BYTES, "entries")?;
    let entries = (0..count).map(|_| decoder.entry()).collect::<Decoded<Vec<_>>>()?;
    decoder.end("frame")?;
    Ok(entries)
}

/// Puts an entry stored in parts together.
#[derive(Default)]
struct PartReader {
    index: u64,
    total: u16,
    next: u16,
    bytes: Vec<u8>,
}

impl PartReader {
    fn is_open(&self) -> bool {
        self.next > 0
    }

    fn push(&mut self, index: u64, part: u16, payload: &[u8]) -> Decoded<Option<Vec<Entry>>> {
        let mut decoder = Decoder::new(Bytes::copy_from_slice(payload));
        let total = decoder.u16("number of parts")?;
        let fits = part == self.next && (part == 0 || (index == self.index && total == self.total)) && part < total;
        if !fits {
            return Err(crate::codec::DecodeError::Invalid("the order of parts"));
        }
        (self.index, self.total, self.next) = (index, total, part + 1);
        self.bytes.extend_from_slice(&payload[2..]);
        if self.next < total {
            return Ok(None);
        }
        self.next = 0;
        decode_packed(&std::mem::take(&mut self.bytes)).map(Some)
    }

    /// The parts of an entry that was never finished.
    fn leftover(self) -> impl Iterator<Item = (u64, u16)> {
        (0..self.next).rev().map(move |part| (self.index, part))
    }
}
