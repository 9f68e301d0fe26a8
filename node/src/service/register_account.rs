//! `register_account`: a new account, without a factor yet.

use super::error::refusal;
use super::{Auth, NewAccount, RegisteredAccount, ServiceError, names};
use crate::entropy;
use crate::http::context::RequestContext;
use crate::secrets::Purpose;
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
        let (name, email) = match (names::username(&new.username), names::email(&new.email)) {
            (Ok(name), Ok(email)) => (name, email),
            (name, email) => {
                return Err(ServiceError::Invalid(
                    name.err().into_iter().chain(email.err()).collect(),
                ));
            }
        };
        names::password("password", &new.password, &name, &email)
            .map_err(|field| ServiceError::Invalid(vec![field]))?;
        let account = AccountId(Builder::from_random_bytes(entropy::bytes()).into_uuid().into_bytes());
        let phc = self.inner.hashing.hash(&new.password, ctx.deadline).await?;
        let password = self
            .inner
            .ring
            .seal(Purpose::PasswordHash, &account.0, phc.as_bytes())
            .map_err(|error| ServiceError::Fault(format!("password of a new account: {error}")))?;
        let request_id = Self::request_id(ctx, "register_account", name.key.as_bytes());
        let command = Command::RegisterAccount(RegisterAccount {
            account,
            username: name.shown.clone(),
            username_key: name.key,
            email: email.shown.clone(),
            email_key: email.key,
            password,
        });
        let reply = self.propose(ctx, request_id, command).await?;
        let Reply::AccountRegistered { account, created_at } = reply else {
            return Err(refusal("register_account", &reply));
        };
        Ok(RegisteredAccount {
            id: account,
            created_at,
            username: name.shown,
            email: email.shown,
        })
    }
}
