//! Identifiers. Each is 128 bits, drawn by the node that makes the command; none is a secret by itself.

use minicbor::{Decode, Encode};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(with = "minicbor::bytes")] pub [u8; 16]);

        impl $name {
            /// 32 lower-case hexadecimal characters.
            #[must_use]
            pub fn hex(&self) -> String {
                hex(&self.0)
            }

            /// Reads what [`Self::hex`] writes.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.hex())
            }
        }
    };
}

id!(
    /// Names one proposal; a second entry with the same id gets the first one's reply.
    RequestId
);
id!(
    /// An account.
    AccountId
);
id!(
    /// A second factor of an account.
    FactorId
);
id!(
    /// A login that has passed the password and waits for the second factor.
    ChallengeId
);
id!(
    /// A session family: one login, however often its tokens rotate.
    SessionId
);
id!(
    /// A remembered device of an account.
    DeviceId
);
id!(
    /// Keyed hash of a name that no account has, so that guesses at it can be charged without keeping the name.
    NameMac
);

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back() {
        let id = AccountId([0x00, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
        assert_eq!(id.hex(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(AccountId::from_hex(&id.hex()), Some(id));
        assert_eq!(AccountId::from_hex("+0102030405060708090a0b0c0d0e0ff"), None);
        assert_eq!(AccountId::from_hex("00"), None);
    }
}
