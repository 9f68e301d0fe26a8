//! The bytes of the log: the head of a segment, the frames that follow it without a gap, the records in a frame.
//!
//! `[magic u32][CRC32C][length][format][sequence u64][owner 16][bytes u64][nonce 16]` is the head, in a sector of its own.
//! A frame is `[magic u32][length u32][CRC32C][records]`; what one write and one sync bring to disk. Its checksum goes over
//! the head of its segment and its place as well, so bytes that an earlier life of the file left never read as a frame.
//! Must not touch the disk.

use bytes::Bytes;

use super::replay::Facts;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::types::{Entry, LogId, Vote};

/// The head of a segment: a sector of its own, which no frame is written into.
pub(crate) const HEADER_BYTES: u64 = 512;
pub(super) const FRAME_HEAD_BYTES: usize = 12;
/// More than a frame with a checkpoint alone takes.
pub(super) const CHECKPOINT_FRAME_BYTES_MAX: u64 = 256;

const SEGMENT_MAGIC: u32 = 0x5446_4C53;
const FRAME_MAGIC: [u8; 4] = *b"TFLF";
const SUFFIX: &str = ".log";

const RECORD_CHECKPOINT: u8 = 1;
const RECORD_ENTRY: u8 = 2;
const RECORD_TRUNCATE: u8 = 3;
const RECORD_VOTE: u8 = 4;
const RECORD_COMMITTED: u8 = 5;
const RECORD_PURGE: u8 = 6;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its place among the segments; never given twice.
    pub(crate) sequence: u64,
    /// The data folder that it belongs to.
    pub(crate) owner: [u8; 16],
    /// Length of its file.
    pub(crate) bytes: u64,
    /// Of this life of the file.
    pub(crate) nonce: [u8; 16],
}

impl Header {
    fn body(&self) -> Bytes {
        let mut body = Encoder::versioned();
        body.u64(self.sequence);
        body.raw(&self.owner);
        body.u64(self.bytes);
        body.raw(&self.nonce);
        body.finish()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let body = self.body();
        let mut head = Encoder::default();
        head.u32(SEGMENT_MAGIC);
        head.u32(crc32c::crc32c(&body));
        head.bytes(&body);
        let mut head = head.finish().to_vec();
        head.resize(usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX), 0);
        head
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let head = bytes.get(..bytes.len().min(usize::try_from(HEADER_BYTES).unwrap_or(0)));
        let mut head = Decoder::new(Bytes::copy_from_slice(head.unwrap_or_default()));
        if head.u32("magic")? != SEGMENT_MAGIC {
            return Err(DecodeError::Invalid("magic"));
        }
        let checksum = head.u32("checksum")?;
        let body = head.bytes("head")?;
        if crc32c::crc32c(&body) != checksum {
            return Err(DecodeError::Invalid("checksum"));
        }
        let mut body = Decoder::versioned(body)?;
        let header = Self {
            sequence: body.u64("sequence")?,
            owner: body.fixed("owner")?,
            bytes: body.u64("length")?,
            nonce: body.fixed("nonce")?,
        };
        body.end("head")?;
        Ok(header)
    }

    /// What the checksums of its frames begin with.
    pub(crate) fn seed(&self) -> u32 {
        crc32c::crc32c(&self.body())
    }
}

pub(super) fn name_of(sequence: u64) -> String {
    format!("{sequence:010}{SUFFIX}")
}

/// The place of a segment by the name of its file; other names are none of ours.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let sequence = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (name_of(sequence) == name).then_some(sequence)
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHead {
    length: u32,
    checksum: u32,
}

impl FrameHead {
    /// The head, if these bytes are one.
    pub(crate) fn decode(bytes: [u8; FRAME_HEAD_BYTES]) -> Option<Self> {
        let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = bytes;
        let head = Self {
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        ([m0, m1, m2, m3] == FRAME_MAGIC && head.length > 0).then_some(head)
    }

    /// Bytes of the records that follow it.
    pub(crate) fn length(self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// Whether these are its records.
    pub(crate) fn is_of(self, seed: u32, at: u64, records: &[u8]) -> bool {
        self.checksum == checksum(seed, at, self.length, records)
    }
}

fn checksum(seed: u32, at: u64, length: u32, records: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(seed, &at.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &length.to_be_bytes()), records)
}

/// Makes the buffer ready for the records of a frame.
pub(super) fn begin(frame: &mut Encoder) {
    frame.clear();
    frame.raw(&[0; FRAME_HEAD_BYTES]);
}

/// Whether the buffer holds no record yet.
pub(super) fn is_empty(frame: &Encoder) -> bool {
    frame.len() <= FRAME_HEAD_BYTES
}

/// Writes the head of a frame that will lie at `at`, before its records.
pub(super) fn seal(frame: &mut Encoder, seed: u32, at: u64) {
    let (_, records) = frame.as_slice().split_at(FRAME_HEAD_BYTES);
    // A frame is far shorter than 4 GiB: see `limits`.
    let length = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let sum = checksum(seed, at, length, records);
    frame.write_over(0, &FRAME_MAGIC);
    frame.write_over(4, &length.to_be_bytes());
    frame.write_over(8, &sum.to_be_bytes());
}

/// The records of the frame at a place of a segment, if there is one.
pub(super) fn open(segment: &[u8], at: usize, seed: u32) -> Option<&[u8]> {
    let (head, rest) = segment.get(at..)?.split_first_chunk()?;
    let head = FrameHead::decode(*head)?;
    let records = rest.get(..head.length())?;
    head.is_of(seed, at as u64, records).then_some(records)
}

const PIECE_BYTES: usize = 4096;
const ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// Piece by piece, because comparing is fast in every build.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(PIECE_BYTES).all(|piece| *piece == ZEROS[..piece.len()])
}

/// The first place from `from` on where a whole frame lies.
pub(super) fn find(segment: &[u8], from: usize, seed: u32) -> Option<usize> {
    let mut start = from;
    while start < segment.len() {
        let end = segment.len().min(start + PIECE_BYTES);
        // A frame may begin at the very end of a piece.
        let piece = &segment[start..segment.len().min(end + FRAME_MAGIC.len() - 1)];
        if is_zero(piece) {
            start = end;
            continue;
        }
        let places = piece.windows(FRAME_MAGIC.len()).enumerate();
        let mut places = places.filter(|(_, window)| **window == FRAME_MAGIC);
        if let Some((place, _)) = places.find(|(place, _)| open(segment, start + place, seed).is_some()) {
            return Some(start + place);
        }
        start = end;
    }
    None
}

/// What holds at the beginning of a segment, so that those before it can go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Checkpoint {
    pub(super) facts: Facts,
    /// Where the frames of the segment before end; zero for the first one.
    pub(super) previous_end: u64,
}

/// One step of the log, in the order in which it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Checkpoint(Checkpoint),
    Entry(Entry),
    /// Entries behind this one go; all of them without one.
    Truncate(Option<LogId>),
    Vote(Vote),
    Committed(Option<LogId>),
    Purge(LogId),
}

pub(super) fn put_entry(frame: &mut Encoder, entry: &Entry) {
    frame.u8(RECORD_ENTRY);
    frame.entry(entry);
}

impl Record {
    pub(super) fn put(&self, frame: &mut Encoder) {
        match self {
            Self::Entry(entry) => put_entry(frame, entry),
            Self::Checkpoint(Checkpoint { facts, previous_end }) => {
                frame.u8(RECORD_CHECKPOINT);
                frame.option(facts.vote.as_ref(), Encoder::vote);
                frame.log_id_option(facts.purged.as_ref());
                frame.log_id_option(facts.committed.as_ref());
                frame.log_id_option(facts.last.as_ref());
                frame.u64(*previous_end);
            }
            Self::Truncate(after) => {
                frame.u8(RECORD_TRUNCATE);
                frame.log_id_option(after.as_ref());
            }
            Self::Vote(vote) => {
                frame.u8(RECORD_VOTE);
                frame.vote(vote);
            }
            Self::Committed(committed) => {
                frame.u8(RECORD_COMMITTED);
                frame.log_id_option(committed.as_ref());
            }
            Self::Purge(upto) => {
                frame.u8(RECORD_PURGE);
                frame.log_id(upto);
            }
        }
    }

    pub(super) fn take(records: &mut Decoder) -> Decoded<Self> {
        Ok(match records.u8("kind of record")? {
            RECORD_CHECKPOINT => Self::Checkpoint(Checkpoint {
                facts: Facts {
                    vote: records.option("vote", Decoder::vote)?,
                    purged: records.log_id_option()?,
                    committed: records.log_id_option()?,
                    last: records.log_id_option()?,
                },
                previous_end: records.u64("end of the segment before")?,
            }),
            RECORD_ENTRY => Self::Entry(records.entry()?),
            RECORD_TRUNCATE => Self::Truncate(records.log_id_option()?),
            RECORD_VOTE => Self::Vote(records.vote()?),
            RECORD_COMMITTED => Self::Committed(records.log_id_option()?),
            RECORD_PURGE => Self::Purge(records.log_id()?),
            tag => {
                return Err(DecodeError::Tag {
                    what: "record",
                    tag: tag.into(),
                });
            }
        })
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
