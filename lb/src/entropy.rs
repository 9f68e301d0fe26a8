//! The only place that draws randomness. Everything that decides takes what it needs from here as an argument.

use std::fmt;

use auth_api::limits::REQUEST_ID_CHARS;

/// 64 random bits.
pub fn draw() -> u64 {
    rand::random()
}

/// A fresh 128-bit id.
pub fn id() -> HexId {
    HexId::from_bits(rand::random())
}

/// A 128-bit id in its textual form: 32 lower case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HexId([u8; REQUEST_ID_CHARS]);

impl HexId {
    /// The textual form of `bits`.
    pub fn from_bits(bits: u128) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; REQUEST_ID_CHARS];
        for (byte, pair) in bits.to_be_bytes().iter().zip(text.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_hexadecimal() {
        assert_eq!(
            HexId::from_bits(0x0123_4567_89ab_cdef).as_str(),
            "00000000000000000123456789abcdef"
        );
        assert_eq!(HexId::from_bits(u128::MAX).as_str(), "f".repeat(32));
    }

    #[test]
    fn ids_differ() {
        assert_ne!(id(), id());
    }
}
