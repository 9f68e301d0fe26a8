//! Reads the folder of a log: every frame of every segment, in order.
//!
//! A frame that is not whole is the torn end of the log only if nothing whole follows it: a frame is written after the one
//! before it is on disk, and each segment says where the one before it ended. Anything else is damage. Whether the end is
//! where it was promised to be is not judged here. Must not change anything.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::super::loaded::Loaded;
use super::format::{self, HEADER_BYTES, Header, Record};
use super::replay::{Facts, Replay};
use crate::OpenError;
use crate::codec::Decoder;
use crate::disk::Disk;

/// A file that becomes a segment.
pub(super) const UNFINISHED: &str = "next.tmp";
/// What the log of earlier versions of this program has in its folder.
const OF_SLED: [&str; 2] = ["db", "conf"];

/// A segment as far as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    /// Where its frames end.
    pub(crate) end: u64,
    /// The highest entry in it, whether it was cut since or not.
    pub(super) highest: Option<u64>,
    /// Whether anything but zeros lies behind its end.
    pub(super) littered: bool,
}

impl Extent {
    pub(super) fn is_empty(&self) -> bool {
        self.end == HEADER_BYTES
    }
}

/// What lies in the folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) loaded: Loaded,
    pub(super) facts: Facts,
    /// Oldest first; the last one may be empty.
    pub(super) segments: Vec<Extent>,
}

/// Reads everything; damage is an error that says where.
pub(crate) fn read(disk: &Disk, folder: &Path, owner: [u8; 16]) -> Result<Found, OpenError> {
    if !disk.exists(folder) {
        return Ok(Found::default());
    }
    let names = disk.names(folder).map_err(OpenError::io("cannot read", folder))?;
    if names.iter().any(|name| OF_SLED.contains(&name.as_str())) {
        return Err(OpenError::Outdated(folder.to_path_buf()));
    }
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    let mut reading = Reading::default();
    for sequence in sequences {
        let path = folder.join(format::name_of(sequence));
        let bytes = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
        let read = reading.segment(&path, sequence, owner, &bytes.unwrap_or_default());
        read.map_err(|what| OpenError::quarantine(folder, format!("segment {sequence} of its log: {what}")))?;
    }
    let replay = reading.replay;
    replay
        .check_whole()
        .map_err(|what| OpenError::quarantine(folder, format!("its log: {what}")))?;
    Ok(Found {
        loaded: Loaded {
            vote: replay.facts.vote,
            purged: replay.facts.purged,
            committed: replay.facts.committed,
            entries: replay.entries.into(),
        },
        facts: replay.facts,
        segments: reading.segments,
    })
}

#[derive(Default)]
struct Reading {
    replay: Replay,
    segments: Vec<Extent>,
}

impl Reading {
    fn segment(&mut self, path: &Path, sequence: u64, owner: [u8; 16], bytes: &[u8]) -> Result<(), String> {
        let header = Header::decode(bytes).map_err(|error| format!("its head: {error}"))?;
        if header.sequence != sequence {
            return Err(format!("it is segment {} under another name", header.sequence));
        }
        if header.owner != owner {
            return Err("it is that of another data folder".into());
        }
        if header.bytes != bytes.len() as u64 {
            return Err(format!("it has {} bytes, and had {}", bytes.len(), header.bytes));
        }
        if let Some(before) = self.segments.last() {
            if before.header.sequence + 1 != sequence {
                return Err(format!("segment {} is missing", before.header.sequence + 1));
            }
            if before.is_empty() {
                return Err("the segment before it holds nothing".into());
            }
        }
        let (end, highest) = self.frames(bytes, header.seed())?;
        if let Some(later) = format::find(bytes, end.saturating_add(1), header.seed()) {
            return Err(format!(
                "it is damaged at byte {end}: what follows at byte {later} is whole"
            ));
        }
        self.segments.push(Extent {
            path: path.to_path_buf(),
            header,
            end: end as u64,
            highest,
            littered: !format::is_zero(&bytes[end..]),
        });
        Ok(())
    }

    /// Takes in frame after frame. Where the last one ends, and the highest entry.
    fn frames(&mut self, bytes: &[u8], seed: u32) -> Result<(usize, Option<u64>), String> {
        let mut at = usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX);
        let (mut highest, mut first) = (None, true);
        while let Some(records) = format::open(bytes, at, seed) {
            // Entries share the memory of their frame, not of their segment.
            let mut decoder = Decoder::new(Bytes::copy_from_slice(records));
            while !decoder.is_empty() {
                let record = Record::take(&mut decoder).map_err(|error| format!("the frame at byte {at}: {error}"))?;
                if let Record::Entry(entry) = &record {
                    highest = highest.max(Some(entry.log_id.index));
                }
                let taken = match (record, first) {
                    (Record::Checkpoint(checkpoint), true) => {
                        let ended = self.segments.last().map(|before| before.end);
                        self.replay.begin(&checkpoint, ended)
                    }
                    (_, true) => Err("it does not begin with a checkpoint".into()),
                    (record, false) => self.replay.take(record),
                };
                taken.map_err(|what| format!("the frame at byte {at}: {what}"))?;
                first = false;
            }
            at += format::FRAME_HEAD_BYTES + records.len();
        }
        Ok((at, highest))
    }
}
