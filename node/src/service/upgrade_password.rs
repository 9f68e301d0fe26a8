//! `upgrade_password`: the same password, hashed as dearly as new ones are, when its owner has just shown it (PW-6).
//!
//! Beside the login and not in it: nobody waits for it, and what fails is done at the next login.

use super::Auth;
use super::limits::UPGRADE_MAX;
use crate::secrets::Purpose;
use crate::{clock, entropy};
use auth_core::account::Account;
use auth_core::command::{Command, UpgradePassword};
use auth_core::entry::{Client, Entry};
use auth_core::ids::{AccountId, RequestId};
use auth_core::secret::{Mac, Sealed};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

impl Auth {
    /// Begins to replace the hash of a password that was right, if it was made with cheaper parameters than now.
    pub(super) fn upgrade_password_later(&self, account: &Account, phc: &str, password: &SecretString) {
        if !self.inner.hashing.is_outdated(phc) {
            return;
        }
        let (auth, id) = (self.clone(), account.id);
        let (old, password) = (account.password.clone(), password.clone());
        tokio::spawn(async move {
            if let Err(reason) = auth.upgrade_password(id, &old, &password).await {
                tracing::warn!(account = %uuid::Uuid::from_bytes(id.0), reason, "a password hash was not upgraded yet");
            }
        });
    }

    async fn upgrade_password(&self, id: AccountId, old: &Sealed, password: &SecretString) -> Result<(), String> {
        let inner = &self.inner;
        let deadline = clock::monotonic() + UPGRADE_MAX;
        let phc = inner.hashing.hash(password, deadline).await;
        let phc = phc.map_err(|error| error.to_string())?;
        let sealed = inner.ring.seal(Purpose::PasswordHash, &id.0, phc.as_bytes());
        let upgrade = UpgradePassword {
            account: id,
            old: Mac(Sha256::digest(&old.0).into()),
            sealed: sealed.map_err(|error| error.to_string())?,
        };
        let entry = Entry {
            request_id: RequestId(entropy::bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::UpgradePassword(upgrade),
        };
        let proposed = inner.replication.propose(&entry, deadline).await;
        proposed.map(|_| ()).map_err(|error| error.reason)
    }
}
