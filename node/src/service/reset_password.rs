//! `request_password_reset` and `reset_password`: a new password with a mailed token. It never goes around the second
//! factor (PW-9), and the answer to a request never tells whether the address has an account (EN-1).

use super::answer::Given;
use super::error::refusal;
use super::guess::contended;
use super::limits::STALE_PROPOSALS_MAX;
use super::{Auth, ServiceError, effective_now, names, refused};
use crate::clock;
use crate::http::context::RequestContext;
use crate::secrets::{CodeUse, GroupedCode};
use auth_core::command::{Command, RequestPasswordReset, ResetPassword, ResetSubject};
use auth_core::ids::AccountId;
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::secret::Mac;
use auth_core::token::TokenPurpose;
use secrecy::SecretString;

impl Auth {
    /// Mails a token, if the address has an account. Whoever it is costs the same and is answered the same.
    ///
    /// # Errors
    /// Only `TooManyAttempts` of the client's address, and the store's.
    pub async fn request_password_reset(&self, ctx: &RequestContext, email: &str) -> Result<(), ServiceError> {
        self.admit(ctx)?;
        let key = names::email_key(email);
        let view = self.current_view(ctx).await?;
        let found = query::account_by_email(&view, &key)?;
        let subject = match &found {
            Some(account) => ResetSubject::Account(account.id),
            None => ResetSubject::UnknownAddress(self.name_mac(key.as_bytes())),
        };
        // Nobody's token is drawn and sealed as well.
        let owner = found.map_or(AccountId([0; 16]), |account| account.id);
        let token = self.new_token(owner, CodeUse::ResetPassword)?;
        let request_id = Self::request_id(ctx, "request_password_reset", key.as_bytes());
        let command = Command::RequestPasswordReset(RequestPasswordReset { subject, token });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(()),
            // How much mail somebody got lately is not told to strangers.
            Reply::Denied(Denial::TooManyMails { .. }) => Ok(()),
            other => Err(refusal("request_password_reset", &other)),
        }
    }

    /// Sets the new password. All sessions end.
    ///
    /// # Errors
    /// `Invalid` for a password that the account may not have; `Denied` with `TokenGone`, `SecondFactorRequired`,
    /// `InvalidCode` or `TooManyAttempts`.
    pub async fn reset_password(
        &self,
        ctx: &RequestContext,
        token: &str,
        new: &SecretString,
        given: Option<Given<'_>>,
    ) -> Result<(), ServiceError> {
        self.admit(ctx)?;
        let arrived = clock::now();
        let gone = || ServiceError::Denied(Denial::TokenGone {});
        let hash = Mac(GroupedCode::parse(token).ok_or_else(gone)?.hash(CodeUse::ResetPassword));
        let request_id = Self::request_id(ctx, "reset_password", &hash.0);
        let mut password = None;
        for _ in 0..=STALE_PROPOSALS_MAX {
            let view = self.current_view(ctx).await?;
            if let Some(reply) = self.known_reply(ctx, &view, request_id)? {
                return done(&reply);
            }
            let now = effective_now(&view)?;
            let found = query::mail_token(&view, &hash, now)?
                .filter(|token| matches!(token.purpose, TokenPurpose::ResetPassword {}))
                .ok_or_else(gone)?;
            let account = query::account(&view, found.account)?.ok_or_else(gone)?;
            let checked = self.password_for(&account, "new_password", new);
            checked.map_err(|wrong| ServiceError::Invalid(vec![wrong]))?;
            let factors = query::factors(&view, account.id)?;
            let codes = query::recovery_codes(&view, account.id)?;
            if let Some(given) = given {
                let device = query::known_device(&view, account.id, self.device_proof(ctx), now)?;
                let kinds = given.method.kinds();
                let blocked =
                    query::answer_blocked_until(&account, &factors, codes.as_ref(), device.as_ref(), kinds, now);
                if let Some(until) = blocked {
                    return Err(refused::over_budget(ctx, "reset_password", Some(account.id), until));
                }
            }
            let answer = given
                .map(|given| self.compare(given, account.id, &factors, None, arrived))
                .transpose()?;
            let sealed = match password.take() {
                Some(sealed) => sealed,
                None => self.hashed(ctx, account.id, new).await?,
            };
            password = Some(sealed.clone());
            let command = Command::ResetPassword(ResetPassword {
                token: hash,
                base_seq: account.auth_seq,
                password: sealed,
                answer,
            });
            let reply = self.propose(ctx, request_id, command).await?;
            if !matches!(reply, Reply::Stale { .. }) {
                return done(&reply);
            }
        }
        Err(contended())
    }
}

fn done(reply: &Reply) -> Result<(), ServiceError> {
    if *reply == (Reply::Done {}) {
        Ok(())
    } else {
        Err(refusal("reset_password", reply))
    }
}
