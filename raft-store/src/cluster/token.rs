//! The secret with which an operator lets one new node in. The cluster keeps its hash only.
//!
//! Must not be printed, except where the operator takes it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::entropy;
use crate::identity::hex;

const PREFIX: &str = "tfauth-join-";
const BYTES: usize = 32;

/// Admits one node, once, for a limited time.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken([u8; BYTES]);

impl JoinToken {
    /// A new one: 256 random bits, so that its hash need not be slow.
    pub(crate) fn fresh() -> Self {
        Self(entropy::secret())
    }

    /// Reads what [`JoinToken::expose`] wrote; white space around it is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix(PREFIX)?;
        if digits.len() != BYTES * 2 || !digits.is_ascii() {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The secret as text, for the operator who carries it to the new node.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", hex(&self.0))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_is_not_printed() {
        let token = JoinToken::fresh();
        assert_eq!(JoinToken::parse(&format!(" {}\n", token.expose())), Some(token.clone()));
        assert_ne!(token, JoinToken::fresh());
        assert!(!format!("{token:?}").contains(&token.expose()[PREFIX.len()..]));
        for wrong in [
            "",
            "tfauth-join-",
            "tfauth-join-00",
            &token.expose()[1..],
            &format!("{}0", token.expose()),
        ] {
            assert_eq!(JoinToken::parse(wrong), None, "{wrong}");
        }
    }
}
