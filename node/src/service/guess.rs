//! The guess evaluation protocol for passwords: read, refuse over budget unseen, evaluate, propose the outcome.
//!
//! Whatever the outcome, a guess costs one barrier, one hash and one entry, and nothing is answered before it is counted.
//! On `Stale` the account changed meanwhile: the budget is looked at again, and the evidence that was already computed is
//! proposed again; unless the password or the factor itself changed, then it is computed once more.

use super::error::refusal;
use super::limits::{CONTENTION_RETRY_SECONDS, EVALUATIONS_MAX, STALE_PROPOSALS_MAX, TOTP_SEED_BYTES};
use super::names::username_key;
use super::totp::Seed;
use super::{Auth, ServiceError, effective_now};
use crate::clock;
use crate::http::context::RequestContext;
use crate::replication::View;
use crate::secrets::Purpose;
use auth_core::account::Account;
use auth_core::command::{CodeEvidence, Command, RefuseLogin, Subject};
use auth_core::factor::Factor;
use auth_core::ids::{AccountId, FactorId, NameMac, RequestId};
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::secret::Sealed;
use auth_core::time::Timestamp;
use secrecy::SecretString;

/// What somebody claims, and what it is for.
pub(super) struct Claim<'a> {
    /// The verb, as in the log.
    pub(super) verb: &'static str,
    /// Whose password it is said to be.
    pub(super) username: &'a str,
    /// The password.
    pub(super) password: &'a SecretString,
    /// The code of the second factor, for verbs that take both at once.
    pub(super) code: Option<&'a str>,
}

/// An account as it is read for one evaluation.
pub(super) struct Known {
    pub(super) account: Account,
    pub(super) factors: Vec<Factor>,
}

/// The end of a claim whose password was right.
pub(super) struct Guessed {
    /// The account.
    pub(super) account: AccountId,
    /// Its name as its owner wrote it.
    pub(super) username: String,
    /// What the verb's own command was answered.
    pub(super) reply: Reply,
}

/// Who the claim is about.
enum Claimant {
    Known(Box<Known>),
    Unknown { name: NameMac, throttle: Throttle },
}

/// The claimant, and the time at which it was read.
struct Seen {
    claimant: Claimant,
    now: Timestamp,
    /// Whether this very request was answered before: then its budget was already looked at.
    answered: bool,
}

/// What the comparison gave, and what was compared with.
struct Evidence {
    right: bool,
    code: Option<CodeEvidence>,
    basis: Basis,
}

/// The rows that evidence stands on. Throttles and sequence numbers may change under it, these may not.
#[derive(PartialEq, Eq)]
enum Basis {
    Known { password: Sealed, factor: Option<FactorId> },
    Unknown,
}

impl Auth {
    /// Evaluates a claim. The reply is that of the command `on_right` makes when the password is right; a wrong password
    /// or an unknown name is charged and refused.
    pub(super) async fn guess(
        &self,
        ctx: &RequestContext,
        claim: &Claim<'_>,
        on_right: impl Fn(&Known, Option<CodeEvidence>) -> Result<Command, ServiceError>,
    ) -> Result<Guessed, ServiceError> {
        self.admit(ctx)?;
        let key = username_key(claim.username);
        let ids = Ids::new(ctx, claim.verb, &key);
        let mut seen = self.read_claimant(ctx, &key, &ids).await?;
        within_budget(&seen, claim)?;
        let mut evidence = self.evaluate(ctx, claim, &seen).await?;
        let mut evaluations = 1;
        for _ in 0..=STALE_PROPOSALS_MAX {
            let (id, command) = match &seen.claimant {
                Claimant::Known(known) if evidence.right => (ids.right, on_right(known, evidence.code)?),
                Claimant::Known(known) => (ids.wrong, refuse_account(&known.account)),
                Claimant::Unknown { name, .. } => (ids.wrong, refuse(Subject::UnknownName { name: *name })),
            };
            let reply = self.propose(ctx, id, command).await?;
            if !matches!(reply, Reply::Stale { .. }) {
                return match seen.claimant {
                    Claimant::Known(known) if evidence.right => Ok(Guessed {
                        account: known.account.id,
                        username: known.account.username,
                        reply,
                    }),
                    Claimant::Known(_) | Claimant::Unknown { .. } => Err(refusal("refuse_login", &reply)),
                };
            }
            seen = self.read_claimant(ctx, &key, &ids).await?;
            within_budget(&seen, claim)?;
            if seen.basis() != evidence.basis {
                if evaluations == EVALUATIONS_MAX {
                    break;
                }
                evidence = self.evaluate(ctx, claim, &seen).await?;
                evaluations += 1;
            }
        }
        Err(contended())
    }

    async fn read_claimant(&self, ctx: &RequestContext, key: &str, ids: &Ids) -> Result<Seen, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let answered = was_answered(&view, ids.right)? || was_answered(&view, ids.wrong)?;
        let claimant = match query::account_by_username(&view, key)? {
            Some(account) => {
                let factors = query::factors(&view, account.id)?;
                Claimant::Known(Box::new(Known { account, factors }))
            }
            None => {
                let name = self.name_mac(key);
                Claimant::Unknown {
                    name,
                    throttle: query::unknown_name(&view, name)?,
                }
            }
        };
        Ok(Seen {
            claimant,
            now,
            answered,
        })
    }

    /// Compares password and code with what is stored, or with dummies that cost the same (EN-2).
    async fn evaluate(&self, ctx: &RequestContext, claim: &Claim<'_>, seen: &Seen) -> Result<Evidence, ServiceError> {
        // The code is judged by the time it arrived, not by the time that the hash queue left for it.
        let arrived = clock::now();
        let inner = &self.inner;
        let code = self.code_evidence(seen.answerable(), claim.code, arrived)?;
        let right = match &seen.claimant {
            Claimant::Known(known) => {
                let account = &known.account;
                let phc = inner
                    .ring
                    .open(Purpose::PasswordHash, &account.id.0, &account.password)
                    .map_err(|error| ServiceError::Fault(format!("password of {:?}: {error}", account.id)))?;
                let phc = std::str::from_utf8(&phc)
                    .map_err(|_| ServiceError::Fault(format!("password of {:?} is no text", account.id)))?;
                inner.hashing.verify(phc, claim.password, ctx.deadline).await?
            }
            Claimant::Unknown { .. } => {
                inner.hashing.verify_nobody(claim.password, ctx.deadline).await?;
                false
            }
        };
        Ok(Evidence {
            right,
            code,
            basis: seen.basis(),
        })
    }

    /// The step that a code matches; none without a usable factor or without a code.
    pub(super) fn code_evidence(
        &self,
        factor: Option<&Factor>,
        code: Option<&str>,
        arrived: Timestamp,
    ) -> Result<Option<CodeEvidence>, ServiceError> {
        let Some(code) = code else { return Ok(None) };
        let Some(factor) = factor else {
            Seed::dummy().matched_step(code, arrived)?;
            return Ok(None);
        };
        let matched_step = Seed::open(&self.inner.ring, factor)?.matched_step(code, arrived)?;
        Ok(Some(CodeEvidence {
            factor: factor.id,
            matched_step,
        }))
    }

    fn name_mac(&self, key: &str) -> NameMac {
        let mac = self.inner.ring.stable_mac("unknown name", key.as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&mac[..16]);
        NameMac(name)
    }
}

/// The request ids of the two entries that a claim can end in.
struct Ids {
    right: RequestId,
    wrong: RequestId,
}

impl Ids {
    fn new(ctx: &RequestContext, verb: &'static str, key: &str) -> Self {
        Self {
            right: Auth::request_id(ctx, verb, key.as_bytes()),
            wrong: Auth::request_id(ctx, "refuse_login", key.as_bytes()),
        }
    }
}

impl Seen {
    fn answerable(&self) -> Option<&Factor> {
        match &self.claimant {
            Claimant::Known(known) => query::answerable(&known.factors, self.now),
            Claimant::Unknown { .. } => None,
        }
    }

    fn basis(&self) -> Basis {
        match &self.claimant {
            Claimant::Known(known) => Basis::Known {
                password: known.account.password.clone(),
                factor: self.answerable().map(|factor| factor.id),
            },
            Claimant::Unknown { .. } => Basis::Unknown,
        }
    }
}

/// Refuses a guess that would be one too many, without looking at it. A verb that takes a code is also bound by the
/// factor's budget. A request that was answered before may pass: it gets its first answer again, and is not charged.
fn within_budget(seen: &Seen, claim: &Claim<'_>) -> Result<(), ServiceError> {
    let blocked = match &seen.claimant {
        Claimant::Known(known) => {
            let factor = seen.answerable().filter(|_| claim.code.is_some());
            query::blocked_until(&known.account, factor, seen.now)
        }
        Claimant::Unknown { throttle, .. } => throttle.blocked_until(seen.now),
    };
    match blocked {
        Some(until) if !seen.answered => Err(ServiceError::Denied(Denial::TooManyAttempts { until })),
        Some(_) | None => Ok(()),
    }
}

/// Whether a request already has its reply.
pub(super) fn was_answered(view: &View, id: RequestId) -> Result<bool, ServiceError> {
    Ok(query::reply(view, id)?.is_some())
}

/// The answer to evidence that never met a state that held still.
pub(super) fn contended() -> ServiceError {
    let until = clock::now().plus_seconds(CONTENTION_RETRY_SECONDS);
    ServiceError::Denied(Denial::TooManyAttempts { until })
}

fn refuse_account(account: &Account) -> Command {
    refuse(Subject::Account {
        account: account.id,
        base_seq: account.auth_seq,
    })
}

fn refuse(subject: Subject) -> Command {
    Command::RefuseLogin(RefuseLogin { subject })
}

impl Seed {
    /// A seed that no one has, to spend the time that a real one takes.
    fn dummy() -> Self {
        Self::of_bytes(&[0x5a; TOTP_SEED_BYTES])
    }
}
