//! `register_account`: a new account, without a factor yet.

use super::change_password::is_enough_alone;
use super::error::refusal;
use super::names::{self, Email, Username};
use super::{Auth, NewAccount, RegisteredAccount, ServiceError};
use crate::entropy;
use crate::http::context::RequestContext;
use crate::passwords::Context;
use crate::secrets::{CodeUse, Purpose};
use auth_core::account::AccountStatus;
use auth_core::command::{Command, RegisterAccount};
use auth_core::ids::AccountId;
use auth_core::reply::Reply;
use uuid::Builder;

impl Auth {
    /// Makes an account. The password is hashed before anything is asked of the store, so that taken and free names take
    /// the same time.
    ///
    /// # Errors
    /// `Invalid` for input that no account may have; `Denied(UsernameTaken)`.
    pub async fn register_account(
        &self,
        ctx: &RequestContext,
        new: NewAccount,
    ) -> Result<RegisteredAccount, ServiceError> {
        let (name, email) = self.checked(&new)?;
        self.admit(ctx)?;
        let account = AccountId(Builder::from_random_bytes(entropy::bytes()).into_uuid().into_bytes());
        let phc = self.inner.hashing.hash(&new.password, ctx.deadline).await?;
        let password = self
            .inner
            .ring
            .seal(Purpose::PasswordHash, &account.0, phc.as_bytes())
            .map_err(|error| ServiceError::Fault(format!("password of a new account: {error}")))?;
        let confirmation = self.new_token(account, CodeUse::ConfirmEmail)?;
        let request_id = Self::request_id(ctx, "register_account", name.key.as_bytes());
        let command = Command::RegisterAccount(RegisterAccount {
            account,
            username: name.shown.clone(),
            username_key: name.key,
            email: email.shown.clone(),
            email_key: email.key,
            password,
            password_alone: is_enough_alone(&new.password),
            confirmation: Some(confirmation),
        });
        let reply = self.propose(ctx, request_id, command).await?;
        let Reply::AccountRegistered {
            account,
            created_at,
            waits,
        } = reply
        else {
            return Err(refusal("register_account", &reply));
        };
        Ok(RegisteredAccount {
            id: account,
            created_at,
            username: name.shown,
            email: email.shown,
            status: waits.unwrap_or(AccountStatus::Active),
        })
    }

    /// Everything that is wrong with the input, or its checked form.
    fn checked(&self, new: &NewAccount) -> Result<(Username, Email), ServiceError> {
        let (name, email) = (names::username(&new.username), names::email(&new.email));
        // Name and address are left out when they are refused themselves: then everything that is wrong is told at once.
        let context = Context {
            username: name.as_ref().ok().map(|name| name.shown.as_str()),
            email: email.as_ref().ok().map(|email| email.shown.as_str()),
        };
        let password = self.check_new_password("password", &new.password, context);
        match (name, email, password) {
            (Ok(name), Ok(email), Ok(())) => Ok((name, email)),
            (name, email, password) => {
                let fields = [name.err(), email.err(), password.err()];
                Err(ServiceError::Invalid(fields.into_iter().flatten().collect()))
            }
        }
    }
}
