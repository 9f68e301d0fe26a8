//! `verify_factor`: a code of an authenticator app for a challenge. Only the holder of the challenge's cookie can guess.

use super::error::refusal;
use super::guess::contended;
use super::limits::STALE_PROPOSALS_MAX;
use super::{Auth, IssuedTokens, ServiceError, challenge, effective_now, refused};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::command::{Answer, AnswerChallenge, CodeEvidence, Command};
use auth_core::factor::{Factor, Methods};
use auth_core::ids::{ChallengeId, FactorId, RequestId};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::time::Timestamp;

/// The verb in the log.
const VERB: &str = "verify_factor";

/// A challenge that may be answered now.
struct Open {
    base_seq: u64,
    factors: Vec<Factor>,
}

/// What a look at a challenge finds.
enum Look {
    Open(Box<Open>),
    /// This very request was answered before, and perhaps its answer was lost on the way.
    Answered(Reply),
}

impl Auth {
    /// Opens a session when the code is right. The first code from a pending seed confirms it.
    ///
    /// # Errors
    /// `Denied` with `InvalidCode`, `ChallengeGone`, `TooManyAttempts`, `FactorDisabled` or `AccountDisabled`.
    pub async fn verify_factor(
        &self,
        ctx: &RequestContext,
        challenge: &str,
        code: &str,
    ) -> Result<IssuedTokens, ServiceError> {
        self.admit(ctx)?;
        self.require_signing_key()?;
        let arrived = clock::now();
        let id = challenge::read(&self.inner.ring, challenge).ok_or(ServiceError::Denied(Denial::ChallengeGone {}))?;
        // Part of the id is the challenge, and the cookie proves that it is the caller's: a reply found is his.
        let request_id = Self::request_id(ctx, VERB, &id.0);
        let reply = self.answer_with_totp(ctx, id, request_id, code, arrived).await?;
        let Reply::SessionStarted(grant) = reply else {
            return Err(refusal(VERB, &reply));
        };
        self.issue(ctx, &grant).await
    }

    async fn answer_with_totp(
        &self,
        ctx: &RequestContext,
        challenge: ChallengeId,
        request_id: RequestId,
        code: &str,
        arrived: Timestamp,
    ) -> Result<Reply, ServiceError> {
        // As at every other login: the browser becomes a known device, with a budget of its own (TH-5).
        let session = self.new_session(ctx, false);
        let mut evidence: Option<(Vec<FactorId>, CodeEvidence)> = None;
        for _ in 0..=STALE_PROPOSALS_MAX {
            let open = match self.look_at(ctx, challenge, request_id).await? {
                Look::Open(open) => open,
                Look::Answered(reply) => return Ok(reply),
            };
            // A seed never changes under its factor's id, so the evidence stays good as long as the factors are the same.
            let basis: Vec<FactorId> = open.factors.iter().map(|factor| factor.id).collect();
            let code = match evidence.take().filter(|(known, _)| *known == basis) {
                Some((_, computed)) => computed,
                None => self
                    .totp_evidence(code, &open.factors, arrived)?
                    .ok_or(ServiceError::Denied(Denial::InvalidCode {}))?,
            };
            evidence = Some((basis, code));
            let command = Command::AnswerChallenge(AnswerChallenge {
                challenge,
                base_seq: open.base_seq,
                answer: Answer {
                    totp: Some(code),
                    ..Answer::default()
                },
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
    async fn look_at(
        &self,
        ctx: &RequestContext,
        challenge: ChallengeId,
        request_id: RequestId,
    ) -> Result<Look, ServiceError> {
        let view = self.current_view(ctx).await?;
        if let Some(reply) = query::reply(&view, request_id)? {
            return Ok(Look::Answered(reply));
        }
        let now = effective_now(&view)?;
        let denied = |denial| Err(ServiceError::Denied(denial));
        let Some(found) = query::challenge(&view, challenge)?.filter(|found| now < found.expires_at) else {
            return denied(Denial::ChallengeGone {});
        };
        let Some(account) = query::account(&view, found.account)? else {
            return denied(Denial::ChallengeGone {});
        };
        let factors = query::factors(&view, account.id)?;
        if query::answerable_all(&factors, now).is_empty() {
            let disabled = factors.iter().any(Factor::is_bound);
            return denied(if disabled {
                Denial::FactorDisabled {}
            } else {
                Denial::ChallengeGone {}
            });
        }
        // The account's own budget was charged when the challenge was opened: here that of its apps counts, or that of the
        // device, if the account knows it (TH-5).
        let device = query::known_device(&view, account.id, self.device_proof(ctx), now)?;
        let blocked = query::answer_blocked_until(&account, &factors, None, device.as_ref(), Methods::TOTP, now);
        if let Some(until) = blocked {
            return Err(refused::over_budget(ctx, VERB, Some(account.id), until));
        }
        Ok(Look::Open(Box::new(Open {
            base_seq: account.auth_seq,
            factors,
        })))
    }
}
