//! `list_factors`, `add_totp`, `confirm_totp`, `remove_totp`, `set_email_factor`: an owner's second factors.

use super::enrol_totp::FreshSeed;
use super::error::refusal;
use super::guess::contended;
use super::limits::STALE_PROPOSALS_MAX;
use super::totp::Seed;
use super::{Auth, Authenticated, PendingTotp, ServiceError, challenge, effective_now, names, refused};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::account::Account;
use auth_core::command::{AddTotp, Authority, CodeEvidence, Command, ConfirmTotp, RemoveTotp, SetEmailFactor};
use auth_core::factor::{Factor, RecoveryCodes};
use auth_core::ids::{AccountId, ChallengeId, FactorId};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use std::sync::Arc;

/// Who binds a factor.
#[derive(Clone, Debug)]
pub enum Binder {
    /// The owner of a session.
    Session(Arc<Authenticated>),
    /// The bearer of an enrolment token.
    Enrolment {
        /// Whose account it is.
        account: AccountId,
        /// What the core knows the token by.
        authority: Authority,
    },
    /// The bearer of an enrolment token that is used up: only the repeat of the request that did it is answered.
    Spent,
}

/// The factors of an account.
pub struct FactorList {
    /// Authenticator apps.
    pub totp: Vec<Factor>,
    /// The account, for its mailed codes.
    pub account: Account,
    /// Recovery codes.
    pub recovery: Option<RecoveryCodes>,
}

impl Binder {
    /// Whose factor it will be, and on whose word.
    fn authority(&self) -> Result<(AccountId, Authority), ServiceError> {
        match self {
            Self::Session(current) => Ok((current.account.id, Authority::Session(current.session.id))),
            Self::Enrolment { account, authority } => Ok((*account, *authority)),
            Self::Spent => Err(ServiceError::Unauthenticated),
        }
    }
}

impl Auth {
    /// The challenge of an enrolment token, by the token alone.
    ///
    /// # Errors
    /// `Unauthenticated` for anything that never was one.
    pub fn enrolment_token(&self, token: &str) -> Result<ChallengeId, ServiceError> {
        challenge::read(&self.inner.ring, token).ok_or(ServiceError::Unauthenticated)
    }

    /// The bearer of an enrolment token.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn enrolment(&self, ctx: &RequestContext, id: ChallengeId) -> Result<Binder, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let found = query::challenge(&view, id)?.filter(|found| now < found.expires_at && found.enrols);
        Ok(found.map_or(Binder::Spent, |found| Binder::Enrolment {
            account: found.account,
            authority: Authority::Challenge(id),
        }))
    }

    /// An account's factors, pending ones that are void left out.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn list_factors(&self, ctx: &RequestContext, account: AccountId) -> Result<FactorList, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let mut totp = query::factors(&view, account)?;
        totp.retain(|factor| factor.is_bound() || factor.is_usable(now));
        totp.sort_by_key(|factor| (factor.created_at, factor.id));
        Ok(FactorList {
            totp,
            account: query::account(&view, account)?.ok_or(ServiceError::Unauthenticated)?,
            recovery: query::recovery_codes(&view, account)?,
        })
    }

    /// Begins to bind an authenticator app.
    ///
    /// # Errors
    /// `Invalid` for what is no label; `Denied` with `StepUpRequired`, `TooManyFactors`, `ChallengeGone`; `Replaced`.
    pub async fn add_totp(
        &self,
        ctx: &RequestContext,
        binder: &Binder,
        label: &str,
    ) -> Result<(FactorId, PendingTotp), ServiceError> {
        let label = names::label(label).map_err(|wrong| ServiceError::Invalid(vec![wrong]))?;
        let (account, authority) = binder.authority()?;
        let command = Command::AddTotp(AddTotp {
            authority,
            new: FreshSeed::draw().seal_as(self, account, &label)?,
        });
        let request_id = Self::request_id(ctx, "add_totp", &account.0);
        let (factor, expires_at) = match self.propose(ctx, request_id, command).await? {
            Reply::TotpPending { factor, expires_at } => (factor, expires_at),
            other => return Err(refusal("add_totp", &other)),
        };
        // The seed that is stored is shown, not the one that was just drawn: a retry got the first one's reply.
        let view = self.inner.replication.view();
        let owner = query::account(&view, account)?.ok_or(ServiceError::Unauthenticated)?;
        let factors = query::factors(&view, account)?;
        match factors.iter().find(|stored| stored.id == factor && !stored.is_bound()) {
            Some(stored) => {
                let shown = Seed::open(&self.inner.ring, stored)?.shown_to(&owner.username, expires_at);
                Ok((factor, shown))
            }
            // Confirmed, or replaced by a later request: a seed that is bound is never shown (OTP-8).
            None => Err(ServiceError::Replaced),
        }
    }

    /// Confirms an authenticator app with its first code.
    ///
    /// # Errors
    /// `Denied` with `NotFound`, `InvalidCode`, `TooManyAttempts`, `StepUpRequired`.
    pub async fn confirm_totp(
        &self,
        ctx: &RequestContext,
        binder: &Binder,
        factor: FactorId,
        code: &str,
    ) -> Result<(), ServiceError> {
        self.admit(ctx)?;
        let arrived = clock::now();
        let digits: String = code.split_whitespace().collect();
        let request_id = Self::request_id(ctx, "confirm_totp", &factor.0);
        for _ in 0..=STALE_PROPOSALS_MAX {
            let view = self.current_view(ctx).await?;
            if let Some(reply) = self.known_reply(ctx, &view, request_id)? {
                return done("confirm_totp", &reply);
            }
            let now = effective_now(&view)?;
            let (account, authority) = binder.authority()?;
            let account = query::account(&view, account)?.ok_or(ServiceError::Unauthenticated)?;
            let factors = query::factors(&view, account.id)?;
            let pending = factors
                .iter()
                .find(|stored| stored.id == factor && !stored.is_bound() && stored.is_usable(now))
                .ok_or(ServiceError::Denied(Denial::NotFound {}))?;
            if let Some(until) = pending.throttle.blocked_until(now) {
                return Err(refused::over_budget(ctx, "confirm_totp", Some(account.id), until));
            }
            let matched_step = Seed::open(&self.inner.ring, pending)?.matched_step(&digits, arrived)?;
            let command = Command::ConfirmTotp(ConfirmTotp {
                authority,
                base_seq: account.auth_seq,
                code: CodeEvidence { factor, matched_step },
            });
            let reply = self.propose(ctx, request_id, command).await?;
            if !matches!(reply, Reply::Stale { .. }) {
                return done("confirm_totp", &reply);
            }
        }
        Err(contended())
    }

    /// Removes an authenticator app.
    ///
    /// # Errors
    /// `Denied` with `NotFound` or `StepUpRequired`.
    pub async fn remove_totp(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        factor: FactorId,
    ) -> Result<(), ServiceError> {
        let request_id = Self::request_id(ctx, "remove_totp", &factor.0);
        let command = Command::RemoveTotp(RemoveTotp {
            session: current.session.id,
            factor,
        });
        done("remove_totp", &self.propose(ctx, request_id, command).await?)
    }

    /// Switches mailed codes as a second factor.
    ///
    /// # Errors
    /// `Denied` with `AddressUnconfirmed` or `StepUpRequired`.
    pub async fn set_email_factor(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        enabled: bool,
    ) -> Result<(), ServiceError> {
        let subject = [current.account.id.0.as_slice(), &[u8::from(enabled)]].concat();
        let request_id = Self::request_id(ctx, "set_email_factor", &subject);
        let command = Command::SetEmailFactor(SetEmailFactor {
            session: current.session.id,
            enabled,
        });
        done("set_email_factor", &self.propose(ctx, request_id, command).await?)
    }
}

fn done(verb: &'static str, reply: &Reply) -> Result<(), ServiceError> {
    if *reply == (Reply::Done {}) {
        Ok(())
    } else {
        Err(refusal(verb, reply))
    }
}
