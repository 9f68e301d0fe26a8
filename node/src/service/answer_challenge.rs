//! `answer_challenge`: a code of any offered method for a challenge. Only the holder of the challenge can guess.

use super::answer::{Given, Method};
use super::error::refusal;
use super::guess::contended;
use super::limits::STALE_PROPOSALS_MAX;
use super::names::identifies;
use super::{Auth, IssuedTokens, ServiceError, challenge, effective_now, refused};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::account::Account;
use auth_core::command::{Answer, AnswerChallenge, Command};
use auth_core::factor::{Factor, Methods};
use auth_core::ids::{ChallengeId, FactorId, RequestId};
use auth_core::query;
use auth_core::reply::{Denial, Reply};

/// The verb in the log.
const VERB: &str = "answer_challenge";

/// An answer to a challenge.
pub struct ChallengeAnswer<'a> {
    /// Value of the challenge cookie or field.
    pub challenge: &'a str,
    /// Whose login it is said to be, where the surface asks for it.
    pub identifier: Option<&'a str>,
    /// The code.
    pub given: Given<'a>,
    /// Whether the owner asked to have this device remembered.
    pub remember_device: bool,
}

/// A challenge that may be answered now.
struct Open {
    account: Account,
    factors: Vec<Factor>,
}

enum Look {
    Open(Box<Open>),
    /// This very request was answered before, and perhaps its answer was lost on the way.
    Answered(Reply),
}

impl Auth {
    /// Opens a session when the code is right.
    ///
    /// # Errors
    /// `Denied` with `InvalidCode`, `ChallengeGone`, `MethodNotOffered`, `TooManyAttempts` or `AccountDisabled`.
    pub async fn answer_challenge(
        &self,
        ctx: &RequestContext,
        with: ChallengeAnswer<'_>,
    ) -> Result<IssuedTokens, ServiceError> {
        self.admit(ctx)?;
        self.require_signing_key()?;
        let id = challenge::read(&self.inner.ring, with.challenge).ok_or_else(gone)?;
        // Part of the id is the challenge, and its value proves that it is the caller's: a reply found is his.
        let request_id = Self::request_id(ctx, VERB, &id.0);
        match self.answered(ctx, id, request_id, &with).await? {
            Reply::SessionStarted(grant) | Reply::SessionRefreshed(grant) => self.issue(ctx, &grant).await,
            other => Err(refusal(VERB, &other)),
        }
    }

    async fn answered(
        &self,
        ctx: &RequestContext,
        id: ChallengeId,
        request_id: RequestId,
        with: &ChallengeAnswer<'_>,
    ) -> Result<Reply, ServiceError> {
        let arrived = clock::now();
        let session = self.new_session(ctx, with.remember_device);
        let mut evidence: Option<(Vec<FactorId>, Answer)> = None;
        for _ in 0..=STALE_PROPOSALS_MAX {
            let open = match self.look_at_challenge(ctx, id, request_id, with).await? {
                Look::Open(open) => open,
                Look::Answered(reply) => return Ok(reply),
            };
            // A seed never changes under its factor's id, so the evidence stays good as long as the factors are the same.
            let basis: Vec<FactorId> = open.factors.iter().map(|factor| factor.id).collect();
            let answer = match evidence.take().filter(|(known, _)| *known == basis) {
                Some((_, computed)) => computed,
                None => self.compare(with.given, open.account.id, &open.factors, Some(id), arrived)?,
            };
            evidence = Some((basis, answer));
            let command = Command::AnswerChallenge(AnswerChallenge {
                challenge: id,
                base_seq: open.account.auth_seq,
                answer,
                session: session.clone(),
            });
            let reply = self.propose(ctx, request_id, command).await?;
            if !matches!(reply, Reply::Stale { .. }) {
                return Ok(reply);
            }
        }
        Err(contended())
    }

    /// Reads a challenge and what its answer is compared with. Refuses over budget without looking at the answer.
    async fn look_at_challenge(
        &self,
        ctx: &RequestContext,
        id: ChallengeId,
        request_id: RequestId,
        with: &ChallengeAnswer<'_>,
    ) -> Result<Look, ServiceError> {
        let view = self.current_view(ctx).await?;
        if let Some(reply) = self.known_reply(ctx, &view, request_id)? {
            return Ok(Look::Answered(reply));
        }
        let now = effective_now(&view)?;
        let found = query::challenge(&view, id)?
            .filter(|found| now < found.expires_at && !found.enrols)
            .ok_or_else(gone)?;
        let account = query::account(&view, found.account)?.ok_or_else(gone)?;
        if with
            .identifier
            .is_some_and(|identifier| !identifies(identifier, &account))
        {
            return Err(gone());
        }
        let factors = query::factors(&view, account.id)?;
        let codes = query::recovery_codes(&view, account.id)?;
        let device = query::known_device(&view, account.id, self.device_proof(ctx), now)?;
        // With one field for two kinds of digits, the budget of those that the challenge offers counts.
        let kinds = match with.given.method {
            Method::Digits => Methods(with.given.method.kinds().0 & found.methods.0),
            Method::Totp | Method::Mailed | Method::Recovery => with.given.method.kinds(),
        };
        let blocked = query::answer_blocked_until(&account, &factors, codes.as_ref(), device.as_ref(), kinds, now);
        if let Some(until) = blocked {
            return Err(refused::over_budget(ctx, VERB, Some(account.id), until));
        }
        Ok(Look::Open(Box::new(Open { account, factors })))
    }
}

fn gone() -> ServiceError {
    ServiceError::Denied(Denial::ChallengeGone {})
}
