//! The log on disk: one stream of records in segments, files of zeros that were made before they are needed.
//!
//! What is asked for gathers in one buffer; a flush writes it as one frame, with one write and one sync. A frame is on disk
//! before the next one is written, so only the last frame of a log can be torn. A segment begins with a checkpoint of what
//! holds, so that those before it can go once their entries are purged; their files are used again. Must only be used by
//! one thread.

#[cfg(test)]
mod counted_tests;
mod format;
mod maker;
mod reader;
mod replay;
#[cfg(test)]
mod stopped_tests;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use self::format::{CHECKPOINT_FRAME_BYTES_MAX, Checkpoint, Record};
pub(crate) use self::format::{FrameHead, HEADER_BYTES, Header};
pub(crate) use self::maker::Maker as Place;
use self::maker::{Maker, Next, Segment};
use self::reader::UNFINISHED;
pub(crate) use self::reader::{Extent, Found, read};
use self::replay::Facts;
use crate::OpenError;
use crate::codec::Encoder;
use crate::codec::log::ENTRY_HEAD_BYTES;
use crate::disk::Disk;
use crate::limits::{LOG_FRAME_BYTES_MAX, LOG_SPARE_SEGMENTS_MAX};
use crate::metrics::Counters;
use crate::types::{Entry, LogId, Vote};

/// Bytes of an entry in a frame besides its payload.
const ENTRY_BYTES: usize = 1 + ENTRY_HEAD_BYTES;

/// The segments of a log, open for writing.
pub(crate) struct Segments {
    maker: Maker,
    /// Before the current one, oldest first.
    full: VecDeque<Extent>,
    current: Segment,
    next: Next,
    /// The frame that gathers; its memory is used again for the next one.
    frame: Encoder,
    frame_bytes_max: usize,
    /// The highest entry in the frame, and how many there are.
    highest: Option<u64>,
    entries: usize,
    /// With everything in the frame, and as of the last frame on disk.
    facts: Facts,
    durable: Facts,
    /// Goes into the next frame.
    committed: Option<Option<LogId>>,
    counters: Arc<Counters>,
}

/// Removes a file that was to become a segment.
pub(crate) fn remove_unfinished(disk: &Disk, folder: &Path) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    if disk.exists(&unfinished) {
        disk.remove_file(&unfinished)?;
    }
    Ok(())
}

impl Segments {
    /// Makes what was found in a folder durable, clears what lies behind its end, and goes on there.
    pub(crate) fn start(place: Place, found: &Found, counters: Arc<Counters>) -> Result<Self, OpenError> {
        let folder = place.folder.clone();
        place
            .disk
            .create_folder(&folder)
            .map_err(OpenError::io("cannot create", &folder))?;
        Self::go_on(place, found, counters).map_err(OpenError::io("cannot write the log in", &folder))
    }

    fn go_on(maker: Maker, found: &Found, counters: Arc<Counters>) -> io::Result<Self> {
        let disk = &maker.disk;
        remove_unfinished(disk, &maker.folder)?;
        let mut segments = VecDeque::new();
        for extent in &found.segments {
            // A process that was killed may have left it in the kernel's memory only.
            let file = disk.open_file(&extent.path)?;
            file.sync_found()?;
            segments.push_back(Segment::new(extent.clone(), file));
        }
        disk.sync_folder(&maker.folder)?;
        let mut next = Next::None;
        if segments.len() > 1
            && let Some(mut empty) = segments.pop_back_if(|last| last.extent.is_empty())
        {
            if empty.extent.littered {
                empty.clear()?;
            }
            next = Next::Ready(empty);
        }
        let mut current = match segments.pop_back() {
            Some(current) => current,
            None => maker.make(1, maker.segment_bytes, None)?,
        };
        if current.extent.littered {
            current.clear()?;
        }
        let mut frame = Encoder::default();
        format::begin(&mut frame);
        Ok(Self {
            frame_bytes_max: frame_bytes_max(maker.segment_bytes),
            maker,
            full: segments.into_iter().map(|segment| segment.extent).collect(),
            current,
            next,
            frame,
            highest: None,
            entries: 0,
            facts: found.facts,
            durable: found.facts,
            committed: None,
            counters,
        })
    }

    /// Adds entries that follow the last one.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            let size = ENTRY_BYTES + entry.size();
            if !format::is_empty(&self.frame) && self.frame.len() + size > self.frame_bytes_max {
                self.write_frame()?;
            }
            format::put_entry(&mut self.frame, entry);
            self.highest = self.highest.max(Some(entry.log_id.index));
            self.entries += 1;
            self.facts.last = Some(entry.log_id);
        }
        Ok(())
    }

    /// Removes entries behind `after`, or all of them.
    pub(crate) fn truncate(&mut self, after: Option<LogId>) {
        Record::Truncate(after).put(&mut self.frame);
        self.facts.last = after;
    }

    /// Records that entries up to `upto` are not needed; [`Segments::tidy`] uses their room again.
    pub(crate) fn purge(&mut self, upto: LogId) {
        Record::Purge(upto).put(&mut self.frame);
        self.facts.purge(upto);
    }

    pub(crate) fn save_vote(&mut self, vote: &Vote) {
        Record::Vote(*vote).put(&mut self.frame);
        self.facts.vote = Some(*vote);
    }

    /// Goes along with the next flush.
    pub(crate) fn save_committed(&mut self, committed: Option<LogId>) {
        self.committed = Some(committed);
    }

    /// Returns when everything before is on disk.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(committed) = self.committed.take().filter(|new| *new != self.facts.committed) {
            Record::Committed(committed).put(&mut self.frame);
            self.facts.committed = committed;
        }
        self.write_frame()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        if format::is_empty(&self.frame) {
            return Ok(());
        }
        let bytes = self.frame.len() as u64;
        if !self.current.has_room(bytes + self.head_bytes()) {
            self.switch(bytes)?;
        }
        if self.current.extent.is_empty() {
            self.write_checkpoint()?;
        }
        let entries = std::mem::take(&mut self.entries);
        write(&mut self.current, &mut self.frame, entries, &self.counters)?;
        self.current.extent.highest = self.current.extent.highest.max(self.highest.take());
        self.durable = self.facts;
        format::begin(&mut self.frame);
        Ok(())
    }

    /// What the current segment needs before a frame can be written.
    fn head_bytes(&self) -> u64 {
        if self.current.extent.is_empty() {
            CHECKPOINT_FRAME_BYTES_MAX
        } else {
            0
        }
    }

    /// Goes on in the next segment, which has room for so many bytes.
    fn switch(&mut self, bytes: u64) -> io::Result<()> {
        let needed = HEADER_BYTES + CHECKPOINT_FRAME_BYTES_MAX + bytes;
        let sequence = self.current.extent.header.sequence + 1;
        let mut next = self.next.wait()?;
        if let Some(small) = next.take_if(|next| next.extent.header.bytes < needed) {
            self.maker.remove(&small.extent.path)?;
        }
        if self.current.extent.is_empty() {
            // Nothing was ever written: the first entry of all is larger than a segment.
            self.maker.remove(&self.current.extent.path)?;
            let sequence = self.current.extent.header.sequence;
            self.current = self.maker.make(sequence, needed, None)?;
            return Ok(());
        }
        let next = match next {
            Some(next) => next,
            None => self.maker.make(sequence, needed.max(self.maker.segment_bytes), None)?,
        };
        let before = std::mem::replace(&mut self.current, next);
        self.full.push_back(before.extent);
        Ok(())
    }

    /// What holds so far, as the first frame of a segment.
    fn write_checkpoint(&mut self) -> io::Result<()> {
        let mut frame = Encoder::default();
        format::begin(&mut frame);
        let checkpoint = Checkpoint {
            facts: self.durable,
            previous_end: self.full.back().map_or(0, |before| before.end),
        };
        Record::Checkpoint(checkpoint).put(&mut frame);
        write(&mut self.current, &mut frame, 0, &self.counters)
    }

    /// Work that waits for nobody: the next segment, and those whose entries are purged. Tells whether more is left.
    pub(crate) fn tidy(&mut self) -> io::Result<bool> {
        self.next.poll()?;
        if self.purged(&self.facts) > self.purged(&self.durable) {
            self.flush()?;
        }
        let spare = self.purged(&self.durable);
        if self.next.is_none() && !self.current.extent.is_empty() {
            let usable = |old: &Extent| spare > 0 && old.header.bytes == self.maker.segment_bytes;
            let old = self.full.pop_front_if(|old| usable(old));
            let sequence = self.current.extent.header.sequence + 1;
            self.next = Next::begin(&self.maker, sequence, old.map(|old| old.path))?;
            return Ok(spare > LOG_SPARE_SEGMENTS_MAX);
        }
        let odd = self
            .full
            .front()
            .is_some_and(|old| old.header.bytes != self.maker.segment_bytes);
        if spare > LOG_SPARE_SEGMENTS_MAX || (spare > 0 && odd) {
            if self.next.is_making() {
                // The thread has one that is older than these, and it may still be there. These go at a later turn.
                return Ok(false);
            }
            if let Some(old) = self.full.pop_front() {
                self.maker.remove(&old.path)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// How many of the oldest segments hold nothing that is needed.
    fn purged(&self, facts: &Facts) -> usize {
        let purged = facts.purged.map(|id| id.index);
        let is_purged = |extent: &&Extent| extent.highest <= purged;
        self.full.iter().take_while(is_purged).count()
    }

    /// All segments as far as they are on disk, oldest first.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        let current = std::iter::once(&self.current.extent);
        self.full.iter().chain(current).cloned().collect()
    }
}

/// A thread of ours must not touch the folder when somebody else has it.
impl Drop for Segments {
    fn drop(&mut self) {
        if let Err(error) = self.next.end() {
            tracing::warn!(%error, "the next segment of the log could not be made");
        }
    }
}

/// One write and one sync.
fn write(segment: &mut Segment, frame: &mut Encoder, entries: usize, counters: &Counters) -> io::Result<()> {
    let end = segment.extent.end;
    format::seal(frame, segment.seed, end);
    segment.file.write_all_at(frame.as_slice(), end)?;
    let began = Instant::now();
    segment.file.sync_data()?;
    counters.fsynced(began.elapsed(), entries);
    segment.extent.end += frame.len() as u64;
    Ok(())
}

/// A segment takes several frames, but for entries that are larger.
fn frame_bytes_max(segment_bytes: u64) -> usize {
    usize::try_from(segment_bytes / 4)
        .unwrap_or(usize::MAX)
        .min(LOG_FRAME_BYTES_MAX)
}
