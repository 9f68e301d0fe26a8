//! How entries lie in records of the log: several in one, or one in several.
//!
//! Must not touch the database.

use bytes::Bytes;

use crate::codec::log::ENTRY_HEAD_BYTES;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::types::Entry;

pub(super) fn key(index: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&index.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

pub(super) fn split_key(key: &[u8]) -> Option<(u64, u16)> {
    let (index, part) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*index), u16::from_be_bytes(part.try_into().ok()?)))
}

pub(super) fn encode_packed(entries: &[&Entry]) -> Bytes {
    let mut encoder = Encoder::default();
    encoder.count(entries.len());
    for entry in entries {
        encoder.entry(entry);
    }
    encoder.finish()
}

pub(super) fn decode_packed(payload: &[u8]) -> Decoded<Vec<Entry>> {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(payload));
    let count = decoder.count(ENTRY_HEAD_BYTES, "entries")?;
    let entries = (0..count).map(|_| decoder.entry()).collect::<Decoded<Vec<_>>>()?;
    decoder.end("frame")?;
    Ok(entries)
}

/// Puts an entry stored in parts together.
#[derive(Default)]
pub(super) struct PartReader {
    index: u64,
    total: u16,
    next: u16,
    bytes: Vec<u8>,
}

impl PartReader {
    pub(super) fn is_open(&self) -> bool {
        self.next > 0
    }

    pub(super) fn push(&mut self, index: u64, part: u16, payload: &[u8]) -> Decoded<Option<Vec<Entry>>> {
        let mut decoder = Decoder::new(Bytes::copy_from_slice(payload));
        let total = decoder.u16("number of parts")?;
        let fits = part == self.next && (part == 0 || (index == self.index && total == self.total)) && part < total;
        if !fits {
            return Err(DecodeError::Invalid("the order of parts"));
        }
        (self.index, self.total, self.next) = (index, total, part + 1);
        self.bytes.extend_from_slice(&payload[2..]);
        if self.next < total {
            return Ok(None);
        }
        self.next = 0;
        decode_packed(&std::mem::take(&mut self.bytes)).map(Some)
    }

    /// The parts of an entry that was never finished, last one first.
    pub(super) fn leftover(self) -> Vec<(u64, u16)> {
        (0..self.next).rev().map(|part| (self.index, part)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_key() {
        assert_eq!(key(0x0102, 3), [0, 0, 0, 0, 0, 0, 1, 2, 0, 3]);
        assert_eq!(split_key(&key(u64::MAX, u16::MAX)), Some((u64::MAX, u16::MAX)));
    }

    #[test]
    fn parts_out_of_order_are_refused() {
        let mut reader = PartReader::default();
        assert_eq!(reader.push(7, 0, &[0, 3, 1]), Ok(None));
        assert!(reader.push(7, 2, &[0, 3, 1]).is_err());
        let mut reader = PartReader::default();
        assert!(reader.push(7, 1, &[0, 3, 1]).is_err());
        assert_eq!(reader.leftover(), []);
    }
}
