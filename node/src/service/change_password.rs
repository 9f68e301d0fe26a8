//! `change_password`: the current one proves the owner; other sessions end (PW-9).

use super::error::refusal;
use super::{Auth, Authenticated, FieldError, ServiceError};
use crate::http::context::RequestContext;
use crate::passwords::Context;
use crate::secrets::Purpose;
use auth_core::account::Account;
use auth_core::command::{ChangePassword, Command, NewPassword};
use auth_core::ids::AccountId;
use auth_core::limits::PASSWORD_ALONE_CHARS_MIN;
use auth_core::reply::Reply;
use secrecy::{ExposeSecret as _, SecretString};

/// The verb in the log.
const VERB: &str = "change_password";

impl Auth {
    /// Changes the password.
    ///
    /// # Errors
    /// `Invalid` for a password that the account may not have; `Denied` with `InvalidCredentials` when the current one is
    /// wrong, which is charged, or `TooManyAttempts`.
    pub async fn change_password(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), ServiceError> {
        self.admit(ctx)?;
        let checked = self.password_for(&current.account, "new_password", new);
        checked.map_err(|wrong| ServiceError::Invalid(vec![wrong]))?;
        let password = self.hashed(ctx, current.account.id, new).await?;
        let reply = self
            .guess_own(ctx, VERB, current.account.id, old, |known| {
                Ok(Command::ChangePassword(ChangePassword {
                    session: current.session.id,
                    base_seq: known.account.auth_seq,
                    password: password.clone(),
                }))
            })
            .await?;
        match reply {
            Reply::Done {} => Ok(()),
            other => Err(refusal(VERB, &other)),
        }
    }

    /// Whether an account may have a password.
    pub(super) fn password_for(
        &self,
        account: &Account,
        field: &'static str,
        new: &SecretString,
    ) -> Result<(), FieldError> {
        let context = Context {
            username: Some(&account.username),
            email: Some(&account.email),
        };
        self.check_new_password(field, new, context)
    }

    /// A password as it is stored.
    pub(super) async fn hashed(
        &self,
        ctx: &RequestContext,
        account: AccountId,
        new: &SecretString,
    ) -> Result<NewPassword, ServiceError> {
        let phc = self.inner.hashing.hash(new, ctx.deadline).await?;
        let sealed = self
            .inner
            .ring
            .seal(Purpose::PasswordHash, &account.0, phc.as_bytes())
            .map_err(|error| ServiceError::Fault(format!("password of {account:?}: {error}")))?;
        Ok(NewPassword {
            sealed,
            alone: is_enough_alone(new),
        })
    }
}

/// Whether a password is long enough to be the only factor (PW-1).
pub(super) fn is_enough_alone(password: &SecretString) -> bool {
    password.expose_secret().chars().count() >= PASSWORD_ALONE_CHARS_MIN
}
