//! The guess evaluation protocol for passwords: read, refuse over budget unseen, evaluate, propose the outcome.
//!
//! Whatever the outcome, a guess costs one barrier, one hash and one entry, and nothing is answered before it is counted.
//! On `Stale` the account changed meanwhile: the budget is looked at again, and the evidence that was already computed is
//! proposed again; unless the password or the factor itself changed, then it is computed once more.

use super::claim::{Claim, Code, Compared, Who};
use super::error::refusal;
use super::limits::{CONTENTION_RETRY_SECONDS, EVALUATIONS_MAX, STALE_PROPOSALS_MAX, TOTP_SEED_BYTES};
use super::names::{email_key, username_key};
use super::totp::Seed;
use super::{Auth, ServiceError, effective_now, refused};
use crate::clock;
use crate::http::context::RequestContext;
use crate::replication::View;
use crate::secrets::Purpose;
use auth_core::account::{Account, AccountStatus};
use auth_core::command::{Command, RefuseLogin, Subject};
use auth_core::device::Device;
use auth_core::factor::{Factor, Methods, RecoveryCodes};
use auth_core::ids::{AccountId, FactorId, NameMac, RequestId};
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::secret::Sealed;
use auth_core::time::Timestamp;
use secrecy::SecretString;

/// An account as it is read for one evaluation.
pub(super) struct Known {
    pub(super) account: Account,
    pub(super) factors: Vec<Factor>,
    recovery: Option<RecoveryCodes>,
    device: Option<Device>,
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
    code: Compared,
    basis: Basis,
}

/// The rows that evidence stands on. Throttles and sequence numbers may change under it, these may not.
#[derive(PartialEq, Eq)]
enum Basis {
    Known { password: Sealed, factors: Vec<FactorId> },
    Unknown,
}

impl Auth {
    /// Evaluates a claim. The reply is that of the command `on_right` makes when the password is right; a wrong password
    /// or an unknown name is charged and refused.
    pub(super) async fn guess(
        &self,
        ctx: &RequestContext,
        claim: &Claim<'_>,
        on_right: impl Fn(&Known, &Compared) -> Result<Command, ServiceError>,
    ) -> Result<Guessed, ServiceError> {
        self.admit(ctx)?;
        let key = claim.who.key();
        let ids = Ids::new(ctx, claim.verb, &key);
        let mut seen = self.read_claimant(ctx, claim, &key, &ids).await?;
        if ctx.kept.is_some() && matches!(seen.claimant, Claimant::Unknown { .. }) {
            // Whose answer was kept is gone.
            return Err(ServiceError::Denied(Denial::InvalidCredentials {}));
        }
        within_budget(ctx, &seen, claim)?;
        let mut evidence = self.evaluate(ctx, claim, &seen).await?;
        let mut evaluations = 1;
        for _ in 0..=STALE_PROPOSALS_MAX {
            let (id, command) = match &seen.claimant {
                Claimant::Known(known) if evidence.right => (ids.right, on_right(known, &evidence.code)?),
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
            seen = self.read_claimant(ctx, claim, &key, &ids).await?;
            within_budget(ctx, &seen, claim)?;
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

    /// The password of a session's own account.
    pub(super) async fn guess_own(
        &self,
        ctx: &RequestContext,
        verb: &'static str,
        account: AccountId,
        password: &SecretString,
        on_right: impl Fn(&Known) -> Result<Command, ServiceError>,
    ) -> Result<Reply, ServiceError> {
        let claim = Claim {
            verb,
            who: Who::Owner(account),
            password,
            code: Code::Absent,
        };
        let guessed = self.guess(ctx, &claim, |known, _| on_right(known)).await?;
        Ok(guessed.reply)
    }

    async fn read_claimant(
        &self,
        ctx: &RequestContext,
        claim: &Claim<'_>,
        key: &[u8],
        ids: &Ids,
    ) -> Result<Seen, ServiceError> {
        let view = self.current_view(ctx).await?;
        let now = effective_now(&view)?;
        let answered = ctx.kept.is_some() || was_answered(&view, ids.right)? || was_answered(&view, ids.wrong)?;
        let found = match claim.who {
            Who::Named(identifier) => find(&view, identifier, now)?,
            Who::Owner(account) => Some(query::account(&view, account)?.ok_or(ServiceError::Unauthenticated)?),
        };
        // Whether there is an account or not, the same is read: what is told next may be nothing but that the name is locked.
        let proof = self.device_proof(ctx);
        let name = self.name_mac(key);
        let throttle = query::unknown_name(&view, name)?;
        let claimant = match found {
            Some(account) => Claimant::Known(Box::new(Known {
                factors: query::factors(&view, account.id)?,
                recovery: query::recovery_codes(&view, account.id)?,
                device: query::known_device(&view, account.id, proof, now)?,
                account,
            })),
            None => {
                self.inner.decoy.read(&view, name, proof, now)?;
                Claimant::Unknown { name, throttle }
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
        let basis = seen.basis();
        if ctx.kept.is_some() {
            // The client named a request that was answered before: it gets that answer, whatever was compared then.
            let (right, code) = (true, Compared::Nothing);
            return Ok(Evidence { right, code, basis });
        }
        // The code is judged by the time it arrived, not by the time that the hash queue left for it.
        let arrived = clock::now();
        let inner = &self.inner;
        let code = self.compare_code(claim.code, seen, arrived)?;
        let right = match &seen.claimant {
            Claimant::Known(known) => {
                let account = &known.account;
                let phc = inner
                    .ring
                    .open(Purpose::PasswordHash, &account.id.0, &account.password)
                    .map_err(|error| ServiceError::Fault(format!("password of {:?}: {error}", account.id)))?;
                let phc = std::str::from_utf8(&phc)
                    .map_err(|_| ServiceError::Fault(format!("password of {:?} is no text", account.id)))?;
                let right = inner.hashing.verify(phc, claim.password, ctx.deadline).await?;
                // A name that is only held has no password that is right; it may still say what everybody must wait for.
                let right = right && !(account.reserved && account.is_active());
                if right {
                    self.upgrade_password_later(account, phc, claim.password);
                }
                right
            }
            Claimant::Unknown { .. } => {
                inner.hashing.verify_nobody(claim.password, ctx.deadline).await?;
                false
            }
        };
        Ok(Evidence { right, code, basis })
    }

    fn compare_code(&self, code: Code<'_>, seen: &Seen, arrived: Timestamp) -> Result<Compared, ServiceError> {
        match code {
            Code::Absent => Ok(Compared::Nothing),
            Code::Totp(code) => Ok(Compared::Totp(self.totp_evidence(code, seen.factors(), arrived)?)),
            Code::Given(given) => {
                let account = match &seen.claimant {
                    Claimant::Known(known) => known.account.id,
                    Claimant::Unknown { .. } => AccountId([0; 16]),
                };
                let answer = self.compare(given, account, seen.factors(), None, arrived)?;
                Ok(Compared::Answer(answer))
            }
        }
    }

    pub(super) fn name_mac(&self, key: &[u8]) -> NameMac {
        let mac = self.inner.ring.stable_mac("unknown name", key);
        let mut name = [0; 16];
        name.copy_from_slice(&mac[..16]);
        NameMac(name)
    }

    /// The reply that a request has already: kept for its client's key, or for a repeat of the load balancer.
    pub(super) fn known_reply(
        &self,
        ctx: &RequestContext,
        view: &View,
        request_id: RequestId,
    ) -> Result<Option<Reply>, ServiceError> {
        match &ctx.kept {
            Some(kept) => Ok(Some(Reply::clone(kept))),
            None => Ok(query::reply(view, request_id)?),
        }
    }
}

/// An account by its name or its address. What looks like an address is one first, so that nobody takes over an address
/// by choosing it as a name. Both are looked up, whoever it is. An address that must be proven is nobody's before: else a new
/// account's own password would tell at its address whether that was free (EN-1).
fn find(view: &View, identifier: &str, now: Timestamp) -> Result<Option<Account>, ServiceError> {
    let is_held = |account: &Account| account.void_at().is_none_or(|end| now < end);
    let by_name = query::account_by_username(view, &username_key(identifier))?.filter(is_held);
    let by_address = query::account_by_email(view, &email_key(identifier))?
        .filter(|account| account.status != AccountStatus::Unconfirmed);
    Ok(if identifier.contains('@') {
        by_address.or(by_name)
    } else {
        by_name
    })
}

/// The request ids of the two entries that a claim can end in.
struct Ids {
    right: RequestId,
    wrong: RequestId,
}

impl Ids {
    fn new(ctx: &RequestContext, verb: &'static str, key: &[u8]) -> Self {
        Self {
            right: Auth::request_id(ctx, verb, key),
            wrong: Auth::request_id(ctx, "refuse_login", key),
        }
    }
}

impl Seen {
    fn factors(&self) -> &[Factor] {
        match &self.claimant {
            Claimant::Known(known) => &known.factors,
            Claimant::Unknown { .. } => &[],
        }
    }

    fn basis(&self) -> Basis {
        match &self.claimant {
            Claimant::Known(known) => Basis::Known {
                password: known.account.password.clone(),
                factors: known.factors.iter().map(|factor| factor.id).collect(),
            },
            Claimant::Unknown { .. } => Basis::Unknown,
        }
    }
}

/// Refuses a guess that would be one too many, without looking at it. A verb that takes a code is also bound by the
/// factor's budget. A request that was answered before may pass: it gets its first answer again, and is not charged.
fn within_budget(ctx: &RequestContext, seen: &Seen, claim: &Claim<'_>) -> Result<(), ServiceError> {
    let (account, blocked) = match &seen.claimant {
        Claimant::Known(known) => (Some(known.account.id), blocked_until(known, claim.code, seen.now)),
        Claimant::Unknown { throttle, .. } => (None, throttle.blocked_until(seen.now)),
    };
    match blocked {
        Some(until) if !seen.answered => Err(refused::over_budget(ctx, claim.verb, account, until)),
        Some(_) | None => Ok(()),
    }
}

/// When the next guess at an account is looked at. A known device has a budget of its own (TH-5).
fn blocked_until(known: &Known, code: Code<'_>, now: Timestamp) -> Option<Timestamp> {
    let kinds = match code {
        Code::Absent => None,
        Code::Totp(_) => Some(Methods::TOTP),
        Code::Given(given) => Some(given.method.kinds()),
    };
    let (account, factors, device) = (&known.account, known.factors.as_slice(), known.device.as_ref());
    let by_password = query::password_blocked_until(account, device, now);
    let by_code = kinds
        .and_then(|kinds| query::answer_blocked_until(account, factors, known.recovery.as_ref(), device, kinds, now));
    by_password.max(by_code)
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
    pub(super) fn dummy() -> Self {
        Self::of_bytes(&[0x5a; TOTP_SEED_BYTES])
    }
}
