//! Reads frames again that are on disk already.
//!
//! Must run on the thread that writes them: only there is the list of frames what the database holds.

use std::io;

use super::frames::Frames;
use super::packing::{PartReader, decode_packed, key};
use crate::disk;
use crate::record;

/// What a few frames came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scrubbed {
    pub(crate) frames: u64,
    /// Where to go on; nothing at the end of the log.
    pub(crate) next: Option<u64>,
}

impl Frames {
    /// Reads up to `count` frames from index `from` on; an error says what is wrong with one.
    pub(super) fn scrub(&self, from: u64, count: usize) -> io::Result<Scrubbed> {
        let place = self.frames.partition_point(|frame| frame.first < from);
        let some: Vec<_> = self.frames.iter().skip(place).take(count).copied().collect();
        for frame in &some {
            disk::no_panic(|| self.scrub_frame(frame.first, frame.entries, frame.parts))?;
        }
        Ok(Scrubbed {
            frames: some.len() as u64,
            next: self.frames.get(place + some.len()).map(|frame| frame.first),
        })
    }

    fn scrub_frame(&self, first: u64, entries: u64, parts: u16) -> io::Result<()> {
        let damaged = |what: String| io::Error::other(format!("frame {first} {what}"));
        let mut reader = PartReader::default();
        let mut found = None;
        for part in 0..parts {
            let key = key(first, part);
            let value = self.log.get(&key)?.ok_or_else(|| damaged("is gone".into()))?;
            let (_, payload) = record::open(&key, &value).map_err(|what| damaged(format!("is {what}")))?;
            found = if parts == 1 {
                decode_packed(payload).map(Some)
            } else {
                reader.push(first, part, payload)
            }
            .map_err(|error| damaged(error.to_string()))?;
        }
        if found.is_some_and(|found| found.len() as u64 == entries) {
            Ok(())
        } else {
            Err(damaged("does not hold its entries".into()))
        }
    }
}
