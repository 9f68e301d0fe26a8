//! The key ring: 32-byte secrets with ids, of which one is active, and the keys derived from them.
//!
//! Every use has its own key: `HKDF-SHA256(secret, "tfauth v1 | use | purpose")`. The active secret makes, every secret
//! opens and verifies, so that a new one can be added, made active and the old one dropped later.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use subtle::{Choice, ConstantTimeEq as _};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

/// Length of a secret, in bytes.
const SECRET_BYTES: usize = 32;
/// Secrets that a ring holds at most.
const KEYS_MAX: usize = 16;
/// Largest key ring file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Separates our keys from those that another program may derive from the same secret.
const SALT: &[u8] = b"tfauth key ring v1";

/// Why a key ring cannot be used.
#[derive(Debug, Error)]
pub enum KeyRingError {
    /// The file cannot be read.
    #[error("key ring {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it.
    #[error("key ring {path} has mode {mode:04o}; it must not be open to group or others: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its text is not what is expected.
    #[error("key ring {origin}: {reason}")]
    Content {
        /// Which file.
        origin: String,
        /// What is wrong, without any value.
        reason: String,
    },
}

/// The secrets. Its `Debug` shows ids only; the bytes are wiped when it is dropped.
pub struct KeyRing {
    active: u32,
    secrets: BTreeMap<u32, Zeroizing<[u8; SECRET_BYTES]>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRing {
    active: u32,
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    id: u32,
    secret: String,
}

impl KeyRing {
    /// Reads a key ring file.
    ///
    /// # Errors
    /// When the file cannot be read, is open to others, or is not a key ring.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        let read = |source| KeyRingError::Read {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(read)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyRingError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        if metadata.len() > FILE_BYTES_MAX {
            let reason = format!("has {} bytes, more than {FILE_BYTES_MAX}", metadata.len());
            return Err(KeyRingError::Content {
                origin: path.display().to_string(),
                reason,
            });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(read)?);
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a key ring; `origin` names it in errors.
    ///
    /// # Errors
    /// [`KeyRingError::Content`] when it is not a key ring.
    pub fn parse(text: &str, origin: &str) -> Result<Self, KeyRingError> {
        let content = |reason: String| KeyRingError::Content {
            origin: origin.to_owned(),
            reason,
        };
        // The parser's message quotes the line, which may be a secret: only where it is gets told.
        let mut raw: RawRing = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            content(format!(
                "line {line} is not as expected; wanted: active = ID and [[keys]] with id and secret (base64 of {SECRET_BYTES} bytes)"
            ))
        })?;
        if raw.keys.len() > KEYS_MAX {
            return Err(content(format!("has {} keys, more than {KEYS_MAX}", raw.keys.len())));
        }
        let mut secrets = BTreeMap::new();
        for key in &mut raw.keys {
            let bytes = Zeroizing::new(
                STANDARD
                    .decode(key.secret.as_bytes())
                    .map_err(|_| content(format!("the secret of key {} is not base64", key.id)))?,
            );
            key.secret.zeroize();
            let secret = <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).map_err(|_| {
                content(format!(
                    "the secret of key {} has {} bytes, must have {SECRET_BYTES}",
                    key.id,
                    bytes.len()
                ))
            })?;
            if secret == [0; SECRET_BYTES] {
                return Err(content(format!("the secret of key {} is all zeros", key.id)));
            }
            if secrets.insert(key.id, Zeroizing::new(secret)).is_some() {
                return Err(content(format!("key {} is there twice", key.id)));
            }
        }
        if !secrets.contains_key(&raw.active) {
            return Err(content(format!("active = {} names no key of the ring", raw.active)));
        }
        Ok(Self {
            active: raw.active,
            secrets,
        })
    }

    /// The id of the secret that seals and signs.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active
    }

    /// The ids of all secrets.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.secrets.keys().copied()
    }

    /// A keyed hash of `data` with the active secret. Different purposes give unrelated hashes.
    #[must_use]
    pub fn mac(&self, purpose: &'static str, data: &[u8]) -> [u8; 32] {
        self.secrets
            .get(&self.active)
            .map_or([0; 32], |secret| mac_with(secret, purpose, data))
    }

    /// A keyed hash of `data` with the oldest secret (the smallest id): the same before, while and after another one
    /// becomes active, for names under which something is looked up or compared in the store.
    #[must_use]
    pub fn stable_mac(&self, purpose: &'static str, data: &[u8]) -> [u8; 32] {
        self.secrets
            .first_key_value()
            .map_or([0; 32], |(_, secret)| mac_with(secret, purpose, data))
    }

    /// Whether `tag` (at least 16 bytes; a truncated hash counts) is [`Self::mac`] of `data` under any secret of the ring.
    #[must_use]
    pub fn verify_mac(&self, purpose: &'static str, data: &[u8], tag: &[u8]) -> bool {
        if tag.len() < 16 || tag.len() > 32 {
            return false;
        }
        let mut equal = Choice::from(0);
        for secret in self.secrets.values() {
            equal |= mac_with(secret, purpose, data)[..tag.len()].ct_eq(tag);
        }
        equal.into()
    }

    /// The key of one use; none when the ring does not have that id.
    pub(super) fn derive(&self, id: u32, label: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
        self.secrets.get(&id).map(|secret| derive(secret, label))
    }
}

fn mac_with(secret: &[u8; SECRET_BYTES], purpose: &str, data: &[u8]) -> [u8; 32] {
    let key = derive(secret, &[b"mac|", purpose.as_bytes()]);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn derive(secret: &[u8; SECRET_BYTES], label: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(Some(SALT), secret);
    hkdf.expand_multi_info(label, key.as_mut_slice())
        .expect("32 bytes are within the 8160 that HKDF-SHA256 gives");
    key
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("active", &self.active)
            .field("ids", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl KeyRing {
    /// A ring with one key, the same every time.
    pub(crate) fn for_tests() -> Self {
        Self::of_tests(1, &[(1, [7; SECRET_BYTES])])
    }

    /// A ring with the given keys.
    pub(crate) fn of_tests(active: u32, keys: &[(u32, [u8; SECRET_BYTES])]) -> Self {
        Self {
            active,
            secrets: keys.iter().map(|(id, secret)| (*id, Zeroizing::new(*secret))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn refused(text: &str) -> String {
        KeyRing::parse(text, "ring").unwrap_err().to_string()
    }

    #[test]
    fn a_ring_is_read() {
        let ring = KeyRing::parse(
            &format!("active = 2\n[[keys]]\nid = 2\nsecret = \"{SECRET}\"\n"),
            "ring",
        )
        .unwrap();
        assert_eq!(ring.active(), 2);
        assert_eq!(format!("{ring:?}"), "KeyRing { active: 2, ids: [2], .. }");
    }

    #[test]
    fn wrong_rings_are_refused_without_showing_a_secret() {
        let key = |id: u32, secret: &str| format!("[[keys]]\nid = {id}\nsecret = \"{secret}\"\n");
        assert!(refused(&format!("active = 1\n{}{}", key(1, SECRET), key(1, SECRET))).contains("key 1 is there twice"));
        assert!(refused(&format!("active = 3\n{}", key(1, SECRET))).contains("active = 3 names no key"));
        assert!(refused(&format!("active = 1\n{}", key(1, "AAAA"))).contains("has 3 bytes, must have 32"));
        assert!(refused(&format!("active = 1\n{}", key(1, "???"))).contains("is not base64"));
        assert!(refused("active = 1\nkeys = []\n").contains("names no key"));
        let unknown = refused(&format!("active = 1\ncolour = \"{SECRET}\"\n{}", key(1, SECRET)));
        assert!(unknown.contains("line 2") && !unknown.contains("AQEB"), "{unknown}");
        let typed = refused(&format!("active = 1\n[[keys]]\nid = \"x\"\nsecret = \"{SECRET}\"\n"));
        assert!(!typed.contains("AQEB"), "{typed}");
    }

    #[test]
    fn cr_4_a_file_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.toml");
        std::fs::write(&path, format!("active = 1\n[[keys]]\nid = 1\nsecret = \"{SECRET}\"\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            KeyRing::load(&path),
            Err(KeyRingError::Exposed { mode: 0o640, .. })
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(KeyRing::load(&path).unwrap().active(), 1);
        assert!(matches!(
            KeyRing::load(&folder.path().join("none")),
            Err(KeyRingError::Read { .. })
        ));
    }

    #[test]
    fn macs_differ_by_purpose_and_survive_a_new_active_key() {
        let old = KeyRing::of_tests(1, &[(1, [7; 32])]);
        let tag = old.mac("a", b"data");
        assert_ne!(tag, old.mac("b", b"data"));
        assert_ne!(tag, old.mac("a", b"datb"));
        let rotated = KeyRing::of_tests(2, &[(1, [7; 32]), (2, [8; 32])]);
        assert_ne!(rotated.mac("a", b"data"), tag);
        assert_eq!(rotated.stable_mac("a", b"data"), tag, "the oldest key names");
        assert!(rotated.verify_mac("a", b"data", &tag));
        assert!(rotated.verify_mac("a", b"data", &tag[..16]));
        assert!(!rotated.verify_mac("a", b"data", &tag[..15]));
        assert!(!rotated.verify_mac("b", b"data", &tag));
        assert!(!KeyRing::of_tests(2, &[(2, [8; 32])]).verify_mac("a", b"data", &tag));
    }
}
