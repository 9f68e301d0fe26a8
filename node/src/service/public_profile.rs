//! `public_profile`: an account by its name. Reads only.

use super::names::username_key;
use super::{Auth, ServiceError, effective_now};
use crate::http::context::RequestContext;
use auth_core::account::Account;
use auth_core::query;

impl Auth {
    /// The account of a name, if there is one. Who may ask, and what of it is shown, is the caller's matter.
    ///
    /// # Errors
    /// `Unavailable` when there is no quorum to ask.
    pub async fn public_profile(&self, ctx: &RequestContext, username: &str) -> Result<Option<Account>, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let found = query::account_by_username(&view, &username_key(username))?;
        Ok(found.filter(|account| account.void_at().is_none_or(|end| now < end)))
    }
}
