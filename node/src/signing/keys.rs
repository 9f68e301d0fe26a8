//! The signing keys that this node has read: made by the leader, cached by every node.
//!
//! Signing runs on tokio's blocking threads, as many at a time as there are cores. An RSA-3072 signature takes one to two
//! milliseconds: too long for a thread that answers heartbeats, too short for a queue of its own with threads that would
//! idle next to the hash pool's. The semaphore is fair, and waiting for it ends with the request's deadline.

use super::key::{self, PrivateKey, PublicKey};
use super::{SigningError, TokenKind};
use crate::secrets::KeyRing;
use arc_swap::ArcSwapOption;
use auth_core::keys::{KeyState, states};
use auth_core::query;
use auth_core::tables::TablesRead;
use auth_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use secrecy::SecretString;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct SigningKeys {
    inner: Arc<Inner>,
}

struct Inner {
    loaded: ArcSwapOption<KeySet>,
    signers: Semaphore,
}

/// What was read at one time.
pub(super) struct KeySet {
    /// The oldest first.
    keys: Vec<Arc<OpenKey>>,
    jwks: Bytes,
}

/// One replicated key, opened.
struct OpenKey {
    signs: PrivateKey,
    verifies: PublicKey,
    activates_at: Timestamp,
}

impl KeySet {
    /// The key that signs what was granted at `issued_at`: the newest that was active then. A repeat of the same request
    /// gets a signature of the same key, whatever was rotated in between.
    fn signing_at(&self, issued_at: Timestamp) -> Option<&Arc<OpenKey>> {
        let active = self.keys.iter().filter(|key| key.activates_at <= issued_at);
        // Older than every key: a cluster whose first key is gone has no token of that time left, either.
        active.max_by_key(|key| key.activates_at).or(self.keys.first())
    }
}

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Jwk<'a>>,
}

#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: &'a str,
    n: &'a str,
    e: &'a str,
}

impl Default for SigningKeys {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            inner: Arc::new(Inner {
                loaded: ArcSwapOption::empty(),
                signers: Semaphore::new(cores),
            }),
        }
    }
}

impl SigningKeys {
    /// Whether tokens can be made and verified.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.loaded.load().is_some()
    }

    /// The JWK set, as its endpoint answers it.
    #[must_use]
    pub fn jwks(&self) -> Option<Bytes> {
        self.inner.loaded.load().as_ref().map(|set| set.jwks.clone())
    }

    /// Reads the replicated keys into the cache; false when there are none. Keys that were opened before are kept.
    ///
    /// # Errors
    /// When the store cannot be read or a key does not open; the cache is then as it was.
    pub fn load(&self, tables: &impl TablesRead, ring: &KeyRing, now: Timestamp) -> Result<bool, SigningError> {
        let rows = query::signing_keys(tables).map_err(|fault| SigningError::Failed(fault.to_string()))?;
        let states = states(&rows, now);
        let before = self.inner.loaded.load();
        let known = |kid: &str| {
            let set = before.as_ref()?;
            set.keys.iter().find(|key| key.verifies.kid == kid).cloned()
        };
        let mut keys = Vec::with_capacity(rows.len());
        for (row, state) in rows.iter().zip(states) {
            // The next one verifies, too: another node's clock may be a little ahead.
            if state == KeyState::Retired {
                continue;
            }
            keys.push(match known(&row.kid) {
                Some(key) => key,
                None => {
                    let (verifies, signs) = key::open(row, ring)?;
                    let activates_at = row.activates_at();
                    Arc::new(OpenKey {
                        signs,
                        verifies,
                        activates_at,
                    })
                }
            });
        }
        if keys.is_empty() {
            return Ok(false);
        }
        let jwks = jwks(&keys)?;
        self.inner.loaded.store(Some(Arc::new(KeySet { keys, jwks })));
        Ok(true)
    }

    /// Uses the public key named `kid`.
    pub(super) fn with_public<T>(&self, kid: &str, use_key: impl FnOnce(&PublicKey) -> T) -> Option<T> {
        let loaded = self.inner.loaded.load();
        loaded
            .as_ref()
            .and_then(|set| set.keys.iter().find(|key| key.verifies.kid == kid))
            .map(|key| use_key(&key.verifies))
    }

    /// Signs the claims (JSON) of both tokens of what was granted at `issued_at`, in this order.
    pub(super) async fn sign_pair(
        &self,
        issued_at: Timestamp,
        access: String,
        refresh: String,
        deadline: Instant,
    ) -> Result<(SecretString, SecretString), SigningError> {
        let key = self
            .inner
            .loaded
            .load()
            .as_ref()
            .and_then(|set| set.signing_at(issued_at).cloned())
            .ok_or(SigningError::NoKey)?;
        let permit = tokio::time::timeout_at(deadline.into(), self.inner.signers.acquire());
        let _permit = permit
            .await
            .map_err(|_| SigningError::Deadline)?
            .map_err(|_| SigningError::NoKey)?;
        let signed = tokio::task::spawn_blocking(move || {
            Ok((
                sign(&key.signs, TokenKind::Access, &access)?,
                sign(&key.signs, TokenKind::Refresh, &refresh)?,
            ))
        });
        signed.await.map_err(|error| SigningError::Failed(error.to_string()))?
    }
}

fn sign(key: &PrivateKey, kind: TokenKind, claims: &str) -> Result<SecretString, SigningError> {
    // Characters of kid and typ need no escaping: base64url, and a constant.
    let header = format!(
        r#"{{"alg":"{}","typ":"{}","kid":"{}"}}"#,
        super::claims::ALGORITHM,
        kind.typ(),
        key.kid
    );
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(SecretString::from(token))
}

fn jwks(keys: &[Arc<OpenKey>]) -> Result<Bytes, SigningError> {
    let json = serde_json::to_vec(&Jwks {
        keys: keys.iter().map(|key| jwk(&key.verifies)).collect(),
    });
    json.map(Bytes::from)
        .map_err(|error| SigningError::Failed(error.to_string()))
}

fn jwk(key: &PublicKey) -> Jwk<'_> {
    let PublicKey { kid, n, e, .. } = key;
    Jwk {
        kty: "RSA",
        usage: "sig",
        alg: super::claims::ALGORITHM,
        kid,
        n,
        e,
    }
}

#[cfg(test)]
impl SigningKeys {
    /// Signs anything, so that tests can forge tokens whose signature is good.
    pub(super) fn sign_for_tests(&self, message: &[u8]) -> Vec<u8> {
        self.inner.loaded.load().as_ref().unwrap().keys[0]
            .signs
            .sign(message)
            .unwrap()
    }
}
