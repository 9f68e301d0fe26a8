//! `step_up`: the owner of a session proves himself again (SE-5). An account with a second factor must use it.

use super::answer::Given;
use super::error::refusal;
use super::guess::contended;
use super::limits::STALE_PROPOSALS_MAX;
use super::sign_in::AwaitedFactor;
use super::{Auth, Authenticated, IssuedTokens, ServiceError, challenge, effective_now, refused};
use crate::http::context::RequestContext;
use crate::{clock, entropy};
use auth_core::command::{Answer, Command, StartStepUp, StepUp};
use auth_core::ids::{ChallengeId, RequestId};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use secrecy::SecretString;

/// The verb in the log.
const VERB: &str = "step_up";

impl Auth {
    /// Proves the owner with a code of an authenticator app or a recovery code, or with the password, or both.
    ///
    /// # Errors
    /// `Denied` with `InvalidCredentials`, `InvalidCode`, `SecondFactorRequired`, `TooManyAttempts`.
    pub async fn step_up(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        password: Option<&SecretString>,
        given: Option<Given<'_>>,
    ) -> Result<IssuedTokens, ServiceError> {
        self.admit(ctx)?;
        self.require_signing_key()?;
        let request_id = Self::request_id(ctx, VERB, &current.session.id.0);
        let reply = match password {
            Some(password) => self.step_up_with_password(ctx, current, password, given).await?,
            None => {
                let given = given.ok_or(ServiceError::Denied(Denial::InvalidCode {}))?;
                self.step_up_with_code(ctx, current, given, request_id).await?
            }
        };
        match reply {
            Reply::SessionRefreshed(grant) => self.issue(ctx, &grant).await,
            other => Err(refusal(VERB, &other)),
        }
    }

    async fn step_up_with_password(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        password: &SecretString,
        given: Option<Given<'_>>,
    ) -> Result<Reply, ServiceError> {
        let arrived = clock::now();
        self.guess_own(ctx, VERB, current.account.id, password, |known| {
            let answer = given
                .map(|given| self.compare(given, known.account.id, &known.factors, None, arrived))
                .transpose()?;
            Ok(Command::StepUp(StepUp {
                session: current.session.id,
                base_seq: known.account.auth_seq,
                password: true,
                answer,
            }))
        })
        .await
    }

    async fn step_up_with_code(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        given: Given<'_>,
        request_id: RequestId,
    ) -> Result<Reply, ServiceError> {
        let arrived = clock::now();
        for _ in 0..=STALE_PROPOSALS_MAX {
            let view = self.current_view(ctx).await?;
            if let Some(reply) = self.known_reply(ctx, &view, request_id)? {
                return Ok(reply);
            }
            let now = effective_now(&view)?;
            let account = query::account(&view, current.account.id)?.ok_or(ServiceError::Unauthenticated)?;
            let factors = query::factors(&view, account.id)?;
            let codes = query::recovery_codes(&view, account.id)?;
            let device = query::known_device(&view, account.id, self.device_proof(ctx), now)?;
            let kinds = given.method.kinds();
            if let Some(until) =
                query::answer_blocked_until(&account, &factors, codes.as_ref(), device.as_ref(), kinds, now)
            {
                return Err(refused::over_budget(ctx, VERB, Some(account.id), until));
            }
            let answer: Answer = self.compare(given, account.id, &factors, None, arrived)?;
            let command = Command::StepUp(StepUp {
                session: current.session.id,
                base_seq: account.auth_seq,
                password: false,
                answer: Some(answer),
            });
            let reply = self.propose(ctx, request_id, command).await?;
            if !matches!(reply, Reply::Stale { .. }) {
                return Ok(reply);
            }
        }
        Err(contended())
    }

    /// Opens a challenge with which a session steps up, and mails a code for it.
    ///
    /// # Errors
    /// `Denied` with `MethodNotOffered` or `TooManyMails`.
    pub async fn start_step_up(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
    ) -> Result<AwaitedFactor, ServiceError> {
        self.admit(ctx)?;
        let id = ChallengeId(entropy::bytes());
        let command = Command::StartStepUp(StartStepUp {
            session: current.session.id,
            challenge: id,
            code: Some(self.new_code(id)?),
        });
        let request_id = Self::request_id(ctx, "start_step_up", &current.session.id.0);
        match self.propose(ctx, request_id, command).await? {
            Reply::SecondFactorRequired {
                challenge,
                expires_at,
                methods,
                reasons,
                mail,
            } => Ok(AwaitedFactor {
                challenge: challenge::cookie(&self.inner.ring, challenge),
                methods,
                reasons,
                expires_at,
                mail,
                is_code_missing: false,
            }),
            other => Err(refusal("start_step_up", &other)),
        }
    }
}
