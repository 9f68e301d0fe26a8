//! `request_email_change` and `confirm_email`: an address counts once what was mailed to it came back (RC-4).

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError, names};
use crate::http::context::RequestContext;
use crate::secrets::{CodeUse, GroupedCode};
use auth_core::command::{Command, ConfirmEmail, RequestEmailChange};
use auth_core::reply::{Denial, Reply};
use auth_core::secret::Mac;

impl Auth {
    /// Mails a token to an address that shall become, or already is, the account's.
    ///
    /// # Errors
    /// `Invalid` for what is no address; `Denied` with `StepUpRequired` or `TooManyMails`.
    pub async fn request_email_change(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        email: &str,
    ) -> Result<(), ServiceError> {
        let email = names::email(email).map_err(|wrong| ServiceError::Invalid(vec![wrong]))?;
        self.admit(ctx)?;
        let token = self.new_token(current.account.id, CodeUse::ConfirmEmail)?;
        let request_id = Self::request_id(ctx, "request_email_change", email.key.as_bytes());
        let command = Command::RequestEmailChange(RequestEmailChange {
            session: current.session.id,
            email: email.shown,
            email_key: email.key,
            token,
        });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(()),
            other => Err(refusal("request_email_change", &other)),
        }
    }

    /// Proves an address with the token that was mailed to it. No session is needed.
    ///
    /// # Errors
    /// `Denied(TokenGone)`.
    pub async fn confirm_email(&self, ctx: &RequestContext, token: &str) -> Result<(), ServiceError> {
        self.admit(ctx)?;
        let gone = || ServiceError::Denied(Denial::TokenGone {});
        let hash = GroupedCode::parse(token).ok_or_else(gone)?.hash(CodeUse::ConfirmEmail);
        let request_id = Self::request_id(ctx, "confirm_email", &hash);
        let command = Command::ConfirmEmail(ConfirmEmail { token: Mac(hash) });
        match self.propose(ctx, request_id, command).await? {
            Reply::EmailConfirmed { .. } => Ok(()),
            other => Err(refusal("confirm_email", &other)),
        }
    }
}
