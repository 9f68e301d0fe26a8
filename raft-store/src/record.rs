//! The frame around every value given to sled: `[format][flags][checksum over key, flags and payload][payload]`.
//!
//! The checksum covers the key, so that a value under a wrong key is damage as well. Must not exceed what sled keeps
//! in its log.

use std::io;

use crate::codec::FORMAT;
use crate::limits::SLED_VALUE_BYTES_MAX;

const HEAD_BYTES: usize = 6;

/// Puts the frame around a payload.
pub(crate) fn seal(key: &[u8], flags: u8, payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = HEAD_BYTES + payload.len();
    if length > SLED_VALUE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "a record of {length} bytes is over {SLED_VALUE_BYTES_MAX}"
        )));
    }
    let mut record = Vec::with_capacity(length);
    record.push(FORMAT);
    record.push(flags);
    record.extend_from_slice(&checksum(key, flags, payload).to_be_bytes());
    record.extend_from_slice(payload);
    Ok(record)
}

/// Takes the frame off; the reason if it is damaged.
pub(crate) fn open<'a>(key: &[u8], record: &'a [u8]) -> Result<(u8, &'a [u8]), &'static str> {
    let (head, payload) = record
        .split_first_chunk::<HEAD_BYTES>()
        .ok_or("shorter than its head")?;
    let [format, flags, sum @ ..] = *head;
    if format != FORMAT {
        return Err("of an unknown format");
    }
    if u32::from_be_bytes(sum) != checksum(key, flags, payload) {
        return Err("not what its checksum says");
    }
    Ok((flags, payload))
}

fn checksum(key: &[u8], flags: u8, payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c(key);
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &[flags]), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_noticed() {
        let sealed = seal(b"key", 1, b"payload").unwrap();
        assert_eq!(open(b"key", &sealed), Ok((1, b"payload".as_slice())));
        assert!(open(b"kez", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn golden_record() {
        assert_eq!(seal(b"k", 2, b"v").unwrap(), [1, 2, 0xE4, 0x46, 0xA5, 0x0A, b'v']);
    }

    #[test]
    fn a_record_that_sled_would_not_sync_is_refused() {
        assert!(seal(b"k", 0, &[0; SLED_VALUE_BYTES_MAX]).is_err());
    }
}
