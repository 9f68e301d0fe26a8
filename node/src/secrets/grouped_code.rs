//! Codes that people copy or print: 125 random bits as 25 base32 characters in groups of five. Recovery codes, and what a
//! mail carries to prove an address or to set a new password.
//!
//! With at least 112 bits a plain hash cannot be searched (RC-5), so no key has to outlive a code: a printed sheet stays
//! good when the key ring changes. Hashes are looked up, codes never are (EN-4).

use crate::entropy;
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Characters of a code; five bits each.
const CHARS: usize = 25;
/// Characters between two dashes.
const GROUP: usize = 5;
/// RFC 4648.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const _: () = assert!(CHARS * 5 >= 112, "RC-5: a plain hash needs at least 112 bits");

/// What a code is for. One that was made for something is none for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeUse<'a> {
    /// Stands for a lost authenticator of this account.
    Recovery {
        /// Id of the account.
        account: &'a [u8; 16],
    },
    /// Proves a mail address.
    ConfirmEmail,
    /// Sets a new password.
    ResetPassword,
}

impl CodeUse<'_> {
    /// In hashes on disk: never changed. None is the beginning of another.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Recovery { .. } => b"tfauth v1 recovery code|",
            Self::ConfirmEmail => b"tfauth v1 confirm email|",
            Self::ResetPassword => b"tfauth v1 reset password|",
        }
    }

    fn subject(&self) -> &[u8] {
        match self {
            Self::Recovery { account } => account.as_slice(),
            Self::ConfirmEmail | Self::ResetPassword => &[],
        }
    }
}

/// A code. Its `Debug` shows nothing.
pub struct GroupedCode(Zeroizing<[u8; CHARS]>);

impl GroupedCode {
    /// A fresh one.
    #[must_use]
    pub fn draw() -> Self {
        let drawn = Zeroizing::new(entropy::bytes::<CHARS>());
        // 32 divides 256: every character is as likely as any other.
        Self(Zeroizing::new(drawn.map(|byte| ALPHABET[usize::from(byte % 32)])))
    }

    /// Reads what somebody typed: case, spaces and dashes do not matter, and 0, 1 and 8, which no code has, are read as
    /// the letters that they look like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = Zeroizing::new([0; CHARS]);
        let mut slots = chars.iter_mut();
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_uppercase() {
                '0' => 'O',
                '1' => 'I',
                '8' => 'B',
                other => other,
            };
            let byte = u8::try_from(c).ok().filter(|byte| ALPHABET.contains(byte))?;
            *slots.next()? = byte;
        }
        slots.next().is_none().then_some(Self(chars))
    }

    /// As it is printed: `ABCDE-FGHIJ-KLMNO-PQRST-UVWXY`.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CHARS + CHARS / GROUP));
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        text
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self, code_use: CodeUse<'_>) -> [u8; 32] {
        Sha256::new()
            .chain_update(code_use.label())
            .chain_update(code_use.subject())
            .chain_update(self.0.as_slice())
            .finalize()
            .into()
    }
}

impl fmt::Debug for GroupedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupedCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rc_5_a_code_is_25_characters_of_base32_in_groups_of_five() {
        let codes: HashSet<String> = (0..500).map(|_| GroupedCode::draw().expose().to_string()).collect();
        assert_eq!(codes.len(), 500);
        let used: HashSet<char> = codes.iter().flat_map(|code| code.chars()).collect();
        assert_eq!(used.len(), 33, "every character of base32, and the dash");
        for code in &codes {
            let groups: Vec<&str> = code.split('-').collect();
            assert!(
                groups.len() == 5 && groups.iter().all(|group| group.len() == 5),
                "{code}"
            );
        }
    }

    #[test]
    fn what_is_typed_is_read_kindly() {
        let code = GroupedCode::parse("ABCDE-FGHIJ-KLMNO-PQRST-UVWXY").unwrap();
        let typed = GroupedCode::parse(" abcde fghij klmno pqrst uvwxy ").unwrap();
        assert_eq!(code.hash(CodeUse::ConfirmEmail), typed.hash(CodeUse::ConfirmEmail));
        let alike = GroupedCode::parse("A8CDEFGH1JKLMN0PQRSTUVWXY").unwrap();
        assert_eq!(alike.expose().as_str(), "ABCDE-FGHIJ-KLMNO-PQRST-UVWXY");
        for wrong in [
            "",
            "ABCDE",
            "ABCDE-FGHIJ-KLMNO-PQRST-UVWX9",
            "ABCDE-FGHIJ-KLMNO-PQRST-UVWXYZ",
            "\u{c9}BCDE-FGHIJ-KLMNO-PQRST-UVWXY",
        ] {
            assert!(GroupedCode::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "GroupedCode(..)");
    }

    #[test]
    fn rc_1_a_code_counts_for_its_own_use_and_account_only() {
        let code = GroupedCode::draw();
        let (one, two) = ([1; 16], [2; 16]);
        let hashes = [
            code.hash(CodeUse::Recovery { account: &one }),
            code.hash(CodeUse::Recovery { account: &two }),
            code.hash(CodeUse::ConfirmEmail),
            code.hash(CodeUse::ResetPassword),
            GroupedCode::draw().hash(CodeUse::ResetPassword),
        ];
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        let typed = GroupedCode::parse(&code.expose()).unwrap();
        assert_eq!(typed.hash(CodeUse::Recovery { account: &one }), hashes[0]);
    }

    #[test]
    fn hashes_on_disk_do_not_change() {
        let code = GroupedCode::parse("ABCDE-FGHIJ-KLMNO-PQRST-UVWXY").unwrap();
        let hex = |hash: [u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let recovery = hex(code.hash(CodeUse::Recovery { account: &[1; 16] }));
        assert_eq!(
            recovery,
            "546753c6abc6e8a5c86c45152b0824181f5b45a7e9ec3bf05938f7bf0f7a721e"
        );
    }
}
