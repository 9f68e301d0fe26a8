//! Making signing keys: the first one, and the next one after a time (JW-7). The leader makes, every node reads.
//!
//! A next key is published long enough before it signs that everybody who keeps the key set for as long as he is told
//! has it by then; the one before it verifies until the last of its tokens is over.

use super::key;
use super::limits::{INSTALL_MAX, LOOK_PAUSE};
use super::{SigningError, SigningKeys};
use crate::replication::Replication;
use crate::secrets::KeyRing;
use crate::shutdown::Stop;
use crate::{clock, entropy};
use auth_core::command::{AddSigningKey, Command, DropSigningKeys, InstallSigningKey};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::keys::{KeyState, SigningKey, states};
use auth_core::limits::SIGNING_KEY_NOTICE_SECONDS;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::tables::TablesRead;
use auth_core::time::Timestamp;
use std::sync::Arc;

/// When signing keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Age at which a key is followed by the next, in seconds; none: never by itself.
    pub after_seconds: Option<u64>,
    /// How long a key verifies after it was followed: the longest life of a token, in seconds.
    pub keep_seconds: u64,
}

impl Rotation {
    /// What there is to do about these keys at `now`.
    fn due(&self, keys: &[SigningKey], now: Timestamp) -> Option<Due> {
        let states = states(keys, now);
        if states.contains(&KeyState::Retired) {
            return Some(Due::Drop);
        }
        let after = self.after_seconds?;
        let old = |key: &SigningKey| key.activates_at().plus_seconds(after) <= now;
        let active_is_old = keys
            .iter()
            .zip(&states)
            .any(|(key, state)| *state == KeyState::Active && old(key));
        (active_is_old && !states.contains(&KeyState::Next)).then_some(Due::Add)
    }
}

/// Work of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A key's last token is over.
    Drop,
    /// The key that signs is old.
    Add,
}

impl SigningKeys {
    /// Keeps the cache as the replicated state is, and the replicated state as `rotation` says, until `stop`.
    pub async fn keep(self, replication: Replication, ring: Arc<KeyRing>, rotation: Rotation, mut stop: Stop) {
        loop {
            let step = async {
                if self.ensure(&replication, &ring).await? {
                    self.rotate_if_due(&replication, &ring, rotation).await?;
                }
                Ok::<_, SigningError>(())
            };
            if let Err(error) = step.await {
                tracing::warn!(%error, "signing keys could not be kept");
            }
            let pause = if self.is_ready() {
                LOOK_PAUSE
            } else {
                crate::limits::SIGNING_KEY_PAUSE
            };
            tokio::select! {
                () = stop.wait() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One step towards a key: reads what is replicated; where there is none and this node leads, makes one. To be
    /// called again until it returns true.
    ///
    /// # Errors
    /// When the key in the store cannot be opened with this key ring, or a new one cannot be made or proposed.
    pub async fn ensure(&self, replication: &Replication, ring: &Arc<KeyRing>) -> Result<bool, SigningError> {
        if self.load_now(replication, ring)? {
            return Ok(true);
        }
        if !replication.is_leader() {
            return Ok(false);
        }
        // What this leader has not applied yet may hold a key: making one in vain costs a second of CPU.
        let barrier = replication.barrier(clock::monotonic() + INSTALL_MAX).await;
        barrier.map_err(|error| SigningError::Failed(error.reason))?;
        if self.load_now(replication, ring)? {
            return Ok(true);
        }
        let first = make(ring).await?;
        tracing::info!(kid = %first.kid, "made the cluster's signing key");
        propose(replication, Command::InstallSigningKey(first)).await?;
        self.load_now(replication, ring)
    }

    /// Gives the cluster its next key, which is published at once and signs after a notice.
    ///
    /// # Errors
    /// When none can be made or proposed, or one waits already.
    pub async fn rotate(
        &self,
        replication: &Replication,
        ring: &Arc<KeyRing>,
        keep_seconds: u64,
    ) -> Result<String, SigningError> {
        let InstallSigningKey {
            kid,
            algorithm,
            public_der,
            private,
        } = make(ring).await?;
        let add = AddSigningKey {
            kid: kid.clone(),
            algorithm,
            public_der,
            private,
            activates_in_seconds: SIGNING_KEY_NOTICE_SECONDS,
            keep_seconds,
        };
        let reply = propose(replication, Command::AddSigningKey(add)).await?;
        let Reply::SigningKeyInstalled {} = reply else {
            return Err(SigningError::Failed(format!(
                "the next signing key: {}",
                reply.outcome()
            )));
        };
        tracing::info!(
            kid,
            signs_in_s = SIGNING_KEY_NOTICE_SECONDS,
            "made the next signing key"
        );
        self.load_now(replication, ring)?;
        Ok(kid)
    }

    async fn rotate_if_due(
        &self,
        replication: &Replication,
        ring: &Arc<KeyRing>,
        rotation: Rotation,
    ) -> Result<(), SigningError> {
        if !replication.is_leader() {
            return Ok(());
        }
        let view = replication.view();
        let keys = query::signing_keys(&view).map_err(failed)?;
        match rotation.due(&keys, now(&view)?) {
            None => Ok(()),
            Some(Due::Drop) => propose(replication, Command::DropSigningKeys(DropSigningKeys {}))
                .await
                .map(|_| ()),
            Some(Due::Add) => self.rotate(replication, ring, rotation.keep_seconds).await.map(|_| ()),
        }
    }

    fn load_now(&self, replication: &Replication, ring: &KeyRing) -> Result<bool, SigningError> {
        let view = replication.view();
        let now = now(&view)?;
        self.load(&view, ring, now)
    }
}

/// The time that the core decides with.
fn now(tables: &impl TablesRead) -> Result<Timestamp, SigningError> {
    Ok(clock::now().max(query::log_clock(tables).map_err(failed)?))
}

async fn make(ring: &Arc<KeyRing>) -> Result<InstallSigningKey, SigningError> {
    let ring = Arc::clone(ring);
    let made = tokio::task::spawn_blocking(move || key::generate(&ring)).await;
    made.map_err(failed)?
}

async fn propose(replication: &Replication, command: Command) -> Result<Reply, SigningError> {
    let entry = Entry {
        request_id: RequestId(entropy::bytes()),
        at: clock::now(),
        client: Client::default(),
        command,
    };
    let deadline = clock::monotonic() + INSTALL_MAX;
    let reply = replication.propose(&entry, deadline).await;
    reply.map_err(|error| SigningError::Failed(error.reason))
}

fn failed(error: impl ToString) -> SigningError {
    SigningError::Failed(error.to_string())
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
