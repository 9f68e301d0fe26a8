//! The set of breached passwords, as a binary fuse filter: nine bits for each, no password is missed, and one good
//! password in 256 is refused by chance.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use xorf::{BinaryFuse8, Filter as _};

/// A set of SHA-1 hashes of passwords. SHA-1 because published lists are made with it; nothing rests on its strength.
pub struct BreachFilter {
    passwords: u64,
    /// In the order of their hashes.
    parts: Vec<Part>,
}

/// The filter of all hashes up to `last`, from where the part before ends.
pub(super) struct Part {
    pub(super) last: u64,
    pub(super) filter: BinaryFuse8,
}

impl BreachFilter {
    pub(super) fn of(passwords: u64, parts: Vec<Part>) -> Self {
        Self { passwords, parts }
    }

    /// How many passwords it was built from.
    #[must_use]
    pub fn passwords(&self) -> u64 {
        self.passwords
    }

    /// Whether this password is in the set, as a whole and byte for byte.
    #[must_use]
    pub fn contains(&self, password: &[u8]) -> bool {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password);
        let Some((key, _)) = hash.as_ref().split_first_chunk::<8>() else {
            return false;
        };
        self.contains_key(u64::from_be_bytes(*key))
    }

    pub(super) fn contains_key(&self, key: u64) -> bool {
        let at = self.parts.partition_point(|part| part.last < key);
        self.parts.get(at).is_some_and(|part| part.filter.contains(&key))
    }
}
