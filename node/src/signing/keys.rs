//! The signing keys that this node has read: made once by the leader, cached by every node.
//!
//! Signing runs on tokio's blocking threads, as many at a time as there are cores. An RSA-3072 signature takes one to two
//! milliseconds: too long for a thread that answers heartbeats, too short for a queue of its own with threads that would
//! idle next to the hash pool's. The semaphore is fair, and waiting for it ends with the request's deadline.

use super::key::{self, PrivateKey, PublicKey};
use super::limits::INSTALL_MAX;
use super::{SigningError, TokenKind};
use crate::replication::Replication;
use crate::secrets::KeyRing;
use crate::{clock, entropy};
use arc_swap::ArcSwapOption;
use auth_api::status::Role;
use auth_core::command::Command;
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::query;
use auth_core::tables::TablesRead;
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
    signing: Arc<PrivateKey>,
    public: Vec<PublicKey>,
    jwks: Bytes,
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

    /// One step towards a key: reads what is replicated; where there is none and this node leads, makes one. To be
    /// called again until it returns true.
    ///
    /// # Errors
    /// When the key in the store cannot be opened with this key ring, or a new one cannot be made or proposed.
    pub async fn ensure(&self, replication: &Replication, ring: &Arc<KeyRing>) -> Result<bool, SigningError> {
        if self.load(&replication.view(), ring)? {
            return Ok(true);
        }
        if replication.status().role != Role::Leader {
            return Ok(false);
        }
        let deadline = clock::monotonic() + INSTALL_MAX;
        // What this leader has not applied yet may hold a key: making one in vain costs a second of CPU.
        let unavailable = |error: crate::replication::Unavailable| SigningError::Failed(error.reason);
        replication.barrier(deadline).await.map_err(unavailable)?;
        if self.load(&replication.view(), ring)? {
            return Ok(true);
        }
        let for_thread = ring.clone();
        let made = tokio::task::spawn_blocking(move || key::generate(&for_thread)).await;
        let install = made.map_err(|error| SigningError::Failed(error.to_string()))??;
        tracing::info!(kid = %install.kid, "made the cluster's signing key");
        let entry = Entry {
            request_id: RequestId(entropy::bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::InstallSigningKey(install),
        };
        let deadline = clock::monotonic() + INSTALL_MAX;
        replication.propose(&entry, deadline).await.map_err(unavailable)?;
        self.load(&replication.view(), ring)
    }

    /// Reads the replicated keys into the cache; false when there are none.
    ///
    /// # Errors
    /// When the store cannot be read or a key does not open.
    pub fn load(&self, tables: &impl TablesRead, ring: &KeyRing) -> Result<bool, SigningError> {
        let rows = query::signing_keys(tables).map_err(|fault| SigningError::Failed(fault.to_string()))?;
        let mut signing = None;
        let mut public = Vec::with_capacity(rows.len());
        for row in &rows {
            let (verifies, signs) = key::open(row, ring)?;
            // The oldest signs. There is one key only until keys rotate.
            signing.get_or_insert(Arc::new(signs));
            public.push(verifies);
        }
        let Some(signing) = signing else { return Ok(false) };
        let jwks = jwks(&public)?;
        self.inner
            .loaded
            .store(Some(Arc::new(KeySet { signing, public, jwks })));
        Ok(true)
    }

    /// Uses the public key named `kid`.
    pub(super) fn with_public<T>(&self, kid: &str, use_key: impl FnOnce(&PublicKey) -> T) -> Option<T> {
        let loaded = self.inner.loaded.load();
        loaded
            .as_ref()
            .and_then(|set| set.public.iter().find(|key| key.kid == kid))
            .map(use_key)
    }

    /// Signs the claims (JSON) of both tokens, in this order.
    pub(super) async fn sign_pair(
        &self,
        access: String,
        refresh: String,
        deadline: Instant,
    ) -> Result<(SecretString, SecretString), SigningError> {
        let key = self
            .inner
            .loaded
            .load()
            .as_ref()
            .map(|set| set.signing.clone())
            .ok_or(SigningError::NoKey)?;
        let permit = tokio::time::timeout_at(deadline.into(), self.inner.signers.acquire());
        let _permit = permit
            .await
            .map_err(|_| SigningError::Deadline)?
            .map_err(|_| SigningError::NoKey)?;
        let signed = tokio::task::spawn_blocking(move || {
            Ok((
                sign(&key, TokenKind::Access, &access)?,
                sign(&key, TokenKind::Refresh, &refresh)?,
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

fn jwks(public: &[PublicKey]) -> Result<Bytes, SigningError> {
    let json = serde_json::to_vec(&Jwks {
        keys: public.iter().map(jwk).collect(),
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
        self.inner
            .loaded
            .load()
            .as_ref()
            .unwrap()
            .signing
            .sign(message)
            .unwrap()
    }
}
