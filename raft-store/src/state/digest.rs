//! How many rows a set of tables has, and a digest of them that does not depend on their order.
//!
//! It is kept up to date with every entry and written with the mark of a checkpoint, so that a row that got lost, came
//! back or is older than its mark is noticed, although each record by itself is whole. The digest is the sum of the
//! rows' SHA-256, lane by lane: adding and removing one row needs no other row. That finds damage and members that came
//! to different tables; it is no proof against somebody who may choose rows freely. Must not depend on anything but
//! rows: members compare it.

use sha2::{Digest, Sha256};

use crate::codec::{Decoded, Decoder, Encoder};

/// Number and digest of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowsDigest {
    pub(crate) rows: u64,
    lanes: [u64; 4],
}

impl std::fmt::Display for RowsDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows ", self.rows)?;
        self.lanes.iter().try_for_each(|lane| write!(f, "{lane:016x}"))
    }
}

impl RowsDigest {
    /// A row that was not there.
    pub(crate) fn add(&mut self, row: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        for (lane, part) in self.lanes.iter_mut().zip(lanes(row, value)) {
            *lane = lane.wrapping_add(part);
        }
    }

    /// A row that was there with this value.
    pub(crate) fn remove(&mut self, row: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        for (lane, part) in self.lanes.iter_mut().zip(lanes(row, value)) {
            *lane = lane.wrapping_sub(part);
        }
    }

    /// What a write makes of a row: `None` for a row that is not there.
    pub(crate) fn replace(&mut self, row: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.remove(row, old);
        }
        if let Some(new) = new {
            self.add(row, new);
        }
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.rows);
        self.lanes.iter().for_each(|lane| encoder.u64(*lane));
    }

    pub(crate) fn decode(decoder: &mut Decoder) -> Decoded<Self> {
        let rows = decoder.u64("rows")?;
        let mut lanes = [0; 4];
        for lane in &mut lanes {
            *lane = decoder.u64("digest")?;
        }
        Ok(Self { rows, lanes })
    }
}

fn lanes(row: &[u8], value: &[u8]) -> [u64; 4] {
    let mut hash = Sha256::new();
    hash.update((row.len() as u64).to_be_bytes());
    hash.update(row);
    hash.update(value);
    let hash: [u8; 32] = hash.finalize().into();
    let mut lanes = [0; 4];
    for (lane, bytes) in lanes.iter_mut().zip(hash.as_chunks::<8>().0) {
        *lane = u64::from_be_bytes(*bytes);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_changes_does_not_matter_and_removing_undoes_adding() {
        let mut one = RowsDigest::default();
        one.replace(b"a", None, Some(b"1"));
        one.replace(b"b", None, Some(b"2"));
        one.replace(b"a", Some(b"1"), Some(b"3"));
        let mut other = RowsDigest::default();
        other.add(b"b", b"2");
        other.add(b"c", b"9");
        other.add(b"a", b"3");
        assert_ne!(one, other);
        other.replace(b"c", Some(b"9"), None);
        assert_eq!(one, other);
        assert_eq!(one.rows, 2);
    }

    #[test]
    fn where_a_row_ends_and_its_value_begins_matters() {
        let of = |row: &[u8], value: &[u8]| {
            let mut digest = RowsDigest::default();
            digest.add(row, value);
            digest
        };
        assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
    }

    #[test]
    fn golden_digest() {
        let mut digest = RowsDigest::default();
        digest.add(b"\x01key", b"value");
        let mut encoder = Encoder::default();
        digest.encode(&mut encoder);
        let bytes = encoder.finish();
        assert_eq!(RowsDigest::decode(&mut Decoder::new(bytes.clone())).unwrap(), digest);
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            text,
            "0000000000000001f0237bf7bbfc3b6322cf315bf30cc45f17ddd4b679c639e789c65e119033bbf6"
        );
    }
}
