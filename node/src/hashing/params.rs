//! Cost of Argon2id, checked once: not weaker than OWASP's minimum, not so dear that a node falls over.

use argon2::{Argon2, Params};
use thiserror::Error;

/// Length of a hash, in bytes.
pub(super) const OUTPUT_BYTES: usize = 32;
/// Length of a salt, in bytes (PW-6 wants 32 bit, recommends 128).
pub(super) const SALT_BYTES: usize = 16;
/// Most memory of one hash, in KiB.
pub(super) const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes of one hash.
pub(super) const PASSES_MAX: u32 = 32;
/// Most lanes of one hash; lanes are computed one after the other.
pub(super) const LANES_MAX: u32 = 16;

/// OWASP Password Storage Cheat Sheet: pairs of (memory in KiB, passes) of equal strength, one lane (PW-7).
const OWASP_MINIMUM: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Memory and passes of new hashes. One lane: a node hashes several passwords at a time instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    passes: u32,
}

/// Why the cost is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HashParamsError {
    /// Cheaper than OWASP's minimum.
    #[error(
        "hashing.memory_kib = {memory_kib} with hashing.passes = {passes} is weaker than OWASP's minimum; \
         allowed from (47104, 1), (19456, 2), (12288, 3), (9216, 4) or (7168, 5) upwards"
    )]
    Weak {
        /// What was given.
        memory_kib: u32,
        /// What was given.
        passes: u32,
    },
    /// Dearer than any node should be asked to pay.
    #[error(
        "hashing.memory_kib = {memory_kib} with hashing.passes = {passes} is too dear; allowed up to 1048576 KiB and 32 passes"
    )]
    Dear {
        /// What was given.
        memory_kib: u32,
        /// What was given.
        passes: u32,
    },
}

impl HashParams {
    /// Checks a cost.
    ///
    /// # Errors
    /// When it is below OWASP's minimum or above what is bounded here.
    pub fn new(memory_kib: u32, passes: u32) -> Result<Self, HashParamsError> {
        if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
            return Err(HashParamsError::Dear { memory_kib, passes });
        }
        let strong = OWASP_MINIMUM
            .iter()
            .any(|&(memory, least)| memory_kib >= memory && passes >= least);
        if strong {
            Ok(Self { memory_kib, passes })
        } else {
            Err(HashParamsError::Weak { memory_kib, passes })
        }
    }

    /// Memory, in KiB.
    #[must_use]
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes.
    #[must_use]
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Work of one hash: memory times passes.
    pub(super) fn cost(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    pub(super) fn argon2(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, 1, Some(OUTPUT_BYTES))
    }
}

/// 19 MiB and two passes: OWASP's first choice.
impl Default for HashParams {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
        }
    }
}

/// Argon2id, version 0x13, with these parameters.
pub(super) fn argon2id(params: Params) -> Argon2<'static> {
    Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pw_7_weaker_than_owasp_is_refused() {
        for (memory, passes) in OWASP_MINIMUM {
            assert!(HashParams::new(memory, passes).is_ok(), "{memory} {passes}");
            assert!(HashParams::new(memory - 1, passes).is_err(), "{memory} {passes}");
        }
        assert!(HashParams::new(19_456, 1).is_err());
        assert!(HashParams::new(7_168, 6).is_ok());
        assert!(HashParams::new(u32::MAX, 2).is_err());
        assert!(HashParams::new(19_456, 33).is_err());
        let default = HashParams::default();
        assert_eq!(HashParams::new(default.memory_kib, default.passes), Ok(default));
    }
}
