//! Sealed boxes for what enters the log: password hashes, TOTP seeds, signing keys.
//!
//! ```text
//! [format u8 = 1][key id u32 BE][nonce 24][XChaCha20-Poly1305 ciphertext and tag]
//! ```
//! The associated data is `format | key id | purpose length u8 | purpose | record id`: a box opens only for the purpose
//! and the record that it was made for (CR-1). Nonces are random: 192 bits do not repeat, whoever writes (CR-2).

use super::KeyRing;
use crate::entropy;
use auth_core::secret::Sealed;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

/// Format of a box.
const FORMAT: u8 = 1;
/// Length of a nonce, in bytes.
const NONCE_BYTES: usize = 24;

/// What a box holds. Boxes of one purpose never open as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// PHC string of a password; the record is the account's id.
    PasswordHash,
    /// TOTP seed; the record is the account's id and the factor's.
    TotpSeed,
    /// PKCS #8 of a signing key; the record is its kid.
    SigningKey,
    /// What a mail or message tells its recipient only: a code or a token. The record is the account's id.
    MailSecret,
    /// What an answer holds that is shown once, kept for a repeat under the same `Idempotency-Key`. The record is its
    /// scope and key.
    KeptAnswer,
}

impl Purpose {
    /// In the associated data of boxes on disk: never changed.
    fn label(self) -> &'static [u8] {
        match self {
            Self::PasswordHash => b"password hash",
            Self::TotpSeed => b"totp seed",
            Self::SigningKey => b"signing key",
            Self::MailSecret => b"mail secret",
            Self::KeptAnswer => b"kept answer",
        }
    }
}

/// Why a box does not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// It was sealed with a key that the ring does not have.
    #[error("sealed with key {0}, which is not in the key ring: add it")]
    UnknownKey(u32),
    /// It is not a box, was changed, or belongs to another record.
    #[error("the box is damaged or belongs to another record")]
    Refused,
}

/// Id of the key that a box was sealed with; none when it is no box.
#[must_use]
pub fn sealed_with(sealed: &Sealed) -> Option<u32> {
    match sealed.0.split_first_chunk::<5>() {
        Some(([FORMAT, id @ ..], _)) => Some(u32::from_be_bytes(*id)),
        Some(_) | None => None,
    }
}

impl KeyRing {
    /// Seals `plaintext` for one record.
    ///
    /// # Errors
    /// [`OpenError::Refused`] when the plaintext is longer than the cipher takes (256 GiB).
    pub fn seal(&self, purpose: Purpose, record: &[u8], plaintext: &[u8]) -> Result<Sealed, OpenError> {
        let id = self.active();
        let nonce: [u8; NONCE_BYTES] = entropy::bytes();
        let aad = associated_data(id, purpose, record);
        let payload = Payload {
            msg: plaintext,
            aad: &aad,
        };
        let ciphertext = self
            .cipher(id, purpose)?
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| OpenError::Refused)?;
        let mut bytes = Vec::with_capacity(1 + 4 + NONCE_BYTES + ciphertext.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        Ok(Sealed(bytes))
    }

    /// Opens what [`Self::seal`] made for the same purpose and record.
    ///
    /// # Errors
    /// When the key is missing, or the box is not the one that was made for this record.
    pub fn open(&self, purpose: Purpose, record: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some(([FORMAT, id @ ..], rest)) = sealed.0.split_first_chunk::<5>() else {
            return Err(OpenError::Refused);
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Refused)?;
        let id = u32::from_be_bytes(*id);
        let aad = associated_data(id, purpose, record);
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        let plaintext = self.cipher(id, purpose)?.decrypt(&XNonce::from(*nonce), payload);
        plaintext.map(Zeroizing::new).map_err(|_| OpenError::Refused)
    }

    fn cipher(&self, id: u32, purpose: Purpose) -> Result<XChaCha20Poly1305, OpenError> {
        let key = self
            .derive(id, &[b"seal|", purpose.label()])
            .ok_or(OpenError::UnknownKey(id))?;
        XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| OpenError::Refused)
    }
}

fn associated_data(id: u32, purpose: Purpose, record: &[u8]) -> Vec<u8> {
    let label = purpose.label();
    // Labels are shorter than 256 bytes; see Purpose::label.
    let length = label.len() as u8;
    [&[FORMAT], id.to_be_bytes().as_slice(), &[length], label, record].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cr_1_a_box_opens_only_for_its_record_and_purpose() {
        let ring = KeyRing::for_tests();
        let of_alice = ring.seal(Purpose::PasswordHash, b"alice", b"hash of alice").unwrap();
        let of_bob = ring.seal(Purpose::PasswordHash, b"bob", b"hash of bob").unwrap();
        assert_eq!(
            ring.open(Purpose::PasswordHash, b"alice", &of_alice)
                .unwrap()
                .as_slice(),
            b"hash of alice"
        );
        // Swapped between two users, as somebody who can write the store would.
        assert_eq!(
            ring.open(Purpose::PasswordHash, b"alice", &of_bob),
            Err(OpenError::Refused)
        );
        assert_eq!(
            ring.open(Purpose::PasswordHash, b"bob", &of_alice),
            Err(OpenError::Refused)
        );
        assert_eq!(
            ring.open(Purpose::TotpSeed, b"alice", &of_alice),
            Err(OpenError::Refused)
        );
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_refused() {
        let ring = KeyRing::for_tests();
        let sealed = ring.seal(Purpose::TotpSeed, b"r", b"seed").unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(ring.open(Purpose::TotpSeed, b"r", &changed).is_err(), "byte {at}");
            assert!(
                ring.open(Purpose::TotpSeed, b"r", &Sealed(sealed.0[..at].to_vec()))
                    .is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn cr_5_the_inventory_of_keys_names_everything_that_is_sealed() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/runbooks/keys.md");
        let page = std::fs::read_to_string(top).unwrap();
        let rows: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with('|') && line.contains("sealed"))
            .collect();
        let all = [
            Purpose::PasswordHash,
            Purpose::TotpSeed,
            Purpose::SigningKey,
            Purpose::MailSecret,
            Purpose::KeptAnswer,
        ];
        for purpose in all {
            let words = match purpose {
                Purpose::PasswordHash => "password hashes",
                Purpose::TotpSeed => "TOTP seeds",
                Purpose::SigningKey => "signing keys",
                Purpose::MailSecret => "mailed codes",
                Purpose::KeptAnswer => "kept answers",
            };
            assert!(
                rows.iter().any(|row| row.contains(words)),
                "{words} is missing in infra/runbooks/keys.md"
            );
        }
    }

    #[test]
    fn cr_2_nonces_differ_and_old_keys_still_open() {
        let old = KeyRing::for_tests();
        let sealed = old.seal(Purpose::SigningKey, b"kid", b"key").unwrap();
        assert_ne!(sealed, old.seal(Purpose::SigningKey, b"kid", b"key").unwrap());
        let rotated = KeyRing::of_tests(2, &[(1, [7; 32]), (2, [8; 32])]);
        assert_eq!(
            rotated.open(Purpose::SigningKey, b"kid", &sealed).unwrap().as_slice(),
            b"key"
        );
        let fresh = rotated.seal(Purpose::SigningKey, b"kid", b"key").unwrap();
        assert_eq!(
            old.open(Purpose::SigningKey, b"kid", &fresh),
            Err(OpenError::UnknownKey(2))
        );
    }
}
