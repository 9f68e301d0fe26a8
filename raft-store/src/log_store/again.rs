//! Reads segments again that are on disk already, from the disk itself.
//!
//! Must not be asked for more than what was on disk when it was asked; a segment that is used anew meanwhile looks damaged,
//! so whoever asks must look whether it is still there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::segments::{Extent, FrameHead, HEADER_BYTES, Header};
use crate::disk::forget_cached;
use crate::limits::SCRUB_LOG_BYTES_PER_STEP;

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Where to go on; behind the last frame that is the end of the extent.
    pub(crate) next: u64,
}

/// What is wrong with a segment.
#[derive(Debug)]
pub(crate) enum NotAsWritten {
    Damaged(String),
    Unreadable(io::Error),
}

/// Reads the frames of an extent from byte `at` on, some of them.
pub(crate) fn read_again(extent: &Extent, at: u64) -> Result<Read, NotAsWritten> {
    let file = File::open(&extent.path).map_err(NotAsWritten::Unreadable)?;
    forget_cached(&file, at, SCRUB_LOG_BYTES_PER_STEP as u64);
    let damaged = |at: u64| NotAsWritten::Damaged(format!("{} is damaged at byte {at}", extent.path.display()));
    if at == HEADER_BYTES {
        let mut head = vec![0; usize::try_from(HEADER_BYTES).unwrap_or(0)];
        read_exactly(&file, &mut head, 0)?;
        if Header::decode(&head) != Ok(extent.header) {
            return Err(damaged(0));
        }
    }
    let seed = extent.header.seed();
    let (mut next, mut frames) = (at, 0);
    let mut records = Vec::new();
    while next < extent.end && next - at < SCRUB_LOG_BYTES_PER_STEP as u64 {
        let mut head = [0; _];
        read_exactly(&file, &mut head, next)?;
        let frame = FrameHead::decode(head).ok_or_else(|| damaged(next))?;
        let begin = next + head.len() as u64;
        let end = begin + frame.length() as u64;
        if end > extent.end {
            return Err(damaged(next));
        }
        records.resize(frame.length(), 0);
        read_exactly(&file, &mut records, begin)?;
        if !frame.is_of(seed, next, &records) {
            return Err(damaged(next));
        }
        (next, frames) = (end, frames + 1);
    }
    Ok(Read {
        frames,
        bytes: next - at,
        next,
    })
}

/// A file that ends too early is damaged.
fn read_exactly(file: &File, bytes: &mut [u8], at: u64) -> Result<(), NotAsWritten> {
    file.read_exact_at(bytes, at).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            NotAsWritten::Damaged(format!("a segment of the log ends before byte {at}"))
        } else {
            NotAsWritten::Unreadable(error)
        }
    })
}
