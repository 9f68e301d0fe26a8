//! Codes of six digits that are mailed, and the keyed hash that the store keeps of them.
//!
//! A plain hash of a million values is reversed at once; this one needs a key that is not in the store (OTP-13). It is
//! bound to what the code was asked for: a code of one challenge is none in another (OTP-11).

use super::{KeyRing, equal};
use crate::entropy;
use std::fmt;
use zeroize::Zeroizing;

/// Digits of a code.
const DIGITS: usize = 6;
/// One more than the greatest code.
const CODES: u64 = 1_000_000;
/// Separates these keyed hashes from all others.
const PURPOSE: &str = "mailed code";

const _: () = assert!(10_u64.pow(DIGITS as u32) == CODES);

/// A code. Its `Debug` shows nothing.
pub struct SixDigits(Zeroizing<String>);

impl SixDigits {
    /// A fresh one.
    #[must_use]
    pub fn draw() -> Self {
        // 2^64 is no multiple of a million; the first codes are likelier by less than one in 10^13.
        let number = u64::from_be_bytes(entropy::bytes()) % CODES;
        Self(Zeroizing::new(format!("{number:0DIGITS$}")))
    }

    /// Reads what somebody typed: six digits, spaces between them do not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect());
        let good = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then_some(Self(digits))
    }

    /// The digits, for the mail.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl KeyRing {
    /// The keyed hash of a code that is sent for `subject` (the id of a challenge): every node computes the same, so the
    /// core compares it with the one of an answer.
    #[must_use]
    pub fn code_mac(&self, subject: &[u8], code: &SixDigits) -> [u8; 32] {
        self.stable_mac(PURPOSE, &bound(subject, code))
    }
}

/// The code has a fixed length, so no other subject and code give the same bytes.
fn bound(subject: &[u8], code: &SixDigits) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([subject, code.0.as_bytes()].concat())
}

impl PartialEq for SixDigits {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl fmt::Debug for SixDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SixDigits(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn otp_11_codes_have_six_digits_and_spread_over_all_of_them() {
        let codes: Vec<SixDigits> = (0..2000).map(|_| SixDigits::draw()).collect();
        assert!(codes.iter().all(|code| SixDigits::parse(code.expose()).is_some()));
        let different: HashSet<&str> = codes.iter().map(SixDigits::expose).collect();
        assert!(different.len() > 1980, "{}", different.len());
        for at in 0..DIGITS {
            let digits: HashSet<u8> = codes.iter().map(|code| code.expose().as_bytes()[at]).collect();
            assert_eq!(digits.len(), 10, "digit {at}");
        }
    }

    #[test]
    fn otp_11_otp_13_a_code_counts_for_its_own_subject_and_only_with_the_key() {
        let ring = KeyRing::for_tests();
        let code = SixDigits::parse("042 137").unwrap();
        let mac = ring.code_mac(b"challenge a", &code);
        assert_eq!(ring.code_mac(b"challenge a", &SixDigits::parse("042137").unwrap()), mac);
        assert_ne!(ring.code_mac(b"challenge b", &code), mac);
        assert_ne!(ring.code_mac(b"challenge a", &SixDigits::parse("042138").unwrap()), mac);
        let foreign = KeyRing::of_tests(1, &[(1, [9; 32])]);
        assert_ne!(foreign.code_mac(b"challenge a", &code), mac);
        let rotated = KeyRing::of_tests(2, &[(1, [7; 32]), (2, [9; 32])]);
        assert_eq!(
            rotated.code_mac(b"challenge a", &code),
            mac,
            "codes on their way survive a new key"
        );
        assert!(!format!("{code:?}").contains("042"));
    }

    #[test]
    fn only_six_digits_are_a_code() {
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", "+12345"] {
            assert_eq!(SixDigits::parse(wrong), None, "{wrong}");
        }
    }
}
