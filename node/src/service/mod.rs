//! The verbs of the service, one file each: unseal, compute, stamp time and ids, propose, turn the reply into tokens.
//!
//! No HTTP and no raft types in here; and nothing is decided that the core decides: a verb evaluates evidence (is the
//! password right? which time step has these digits?) and proposes it. Every method here is safe to repeat with the
//! same [`RequestContext::operation`]: the same entry is proposed again and the same answer built from its reply.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a service names the replies that its verb can get; every other one is refused by its name"
)]

mod administer;
mod answer;
mod answer_challenge;
mod audit;
mod authenticate;
mod challenge;
mod change_email;
mod change_password;
mod claim;
mod client;
mod decoy;
mod delete_account;
mod devices;
mod end_session;
mod enrol_totp;
mod error;
mod export_audit;
mod factors;
mod flood;
mod guess;
mod kept_answer;
mod limits;
mod log_in;
mod mailing;
mod names;
mod new_password;
mod pending_totp;
mod policy;
mod public_profile;
pub mod qr;
mod recovery_codes;
mod refresh_session;
mod refused;
mod register_account;
mod reset_password;
mod send_code;
mod sessions;
mod sign_in;
mod start_login;
mod step_up;
#[cfg(test)]
mod tests;
mod totp;
mod upgrade_password;
mod verify_factor;

pub use administer::{AccountChange, ManagedAccount};
pub use answer::{Given, Method};
pub use answer_challenge::ChallengeAnswer;
pub use error::{FieldError, ServiceError};
pub use factors::{Binder, FactorList};
pub use policy::{Tried, zone_offsets};
pub use sessions::Ending;
pub use sign_in::{AwaitedFactor, Credentials, SignedIn};

use crate::clock;
use crate::hashing::HashPool;
use crate::http::context::RequestContext;
use crate::passwords::PasswordPolicy;
use crate::replication::{Replication, View};
use crate::secrets::KeyRing;
use crate::signing::{SigningKeys, TokenIssuer, TokenRefused, TokenSettings, TokenVerifier};
use auth_core::account::{Account, AccountStatus, Role};
use auth_core::command::Command;
use auth_core::entry::Entry;
use auth_core::ids::{AccountId, RequestId, SessionId};
use auth_core::outbox::Channel;
use auth_core::query;
use auth_core::reply::{Reply, SessionGrant};
use auth_core::session::Session;
use auth_core::time::Timestamp;
use flood::FloodLimit;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The verbs, with all that they need. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
    flood: Option<Arc<FloodLimit>>,
    code_channel: Channel,
    passwords: Arc<PasswordPolicy>,
}

struct Inner {
    replication: Replication,
    ring: Arc<KeyRing>,
    hashing: HashPool,
    signing: SigningKeys,
    issuer: TokenIssuer,
    verifier: TokenVerifier,
    session_seconds: u64,
    session_idle_seconds: Option<u64>,
    decoy: decoy::Decoy,
}

/// Settings of the verbs.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `iss` of tokens: an origin such as `https://localhost:8443`.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Life of an access token, in seconds.
    pub access_seconds: u64,
    /// Absolute life of a session and its refresh tokens, in seconds.
    pub refresh_seconds: u64,
    /// How long a session may rest, in seconds: without a refresh it is over then. None: until its absolute end.
    pub session_idle_seconds: Option<u64>,
}

/// What a new account is made from, as its owner wrote it.
pub struct NewAccount {
    /// Name to log in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Password.
    pub password: SecretString,
}

/// An account that was made (or seems to be: a taken mail address is not told).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredAccount {
    /// Its id.
    pub id: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Name as stored (NFC).
    pub username: String,
    /// Address as written.
    pub email: String,
    /// What the policy makes of new accounts.
    pub status: AccountStatus,
}

/// A login whose password was right.
pub struct StartedLogin {
    /// Value of the challenge cookie.
    pub challenge: String,
    /// When the challenge is void.
    pub expires_at: Timestamp,
    /// Whether the account is bound to a factor; otherwise a pending one waits to be scanned.
    pub bound: bool,
}

/// A TOTP seed that waits for its first code.
pub struct PendingTotp {
    /// `otpauth://totp/...` as authenticator apps read it; [`qr`] draws it.
    pub otpauth_uri: SecretString,
    /// The seed in base32 without padding.
    pub secret_base32: SecretString,
    /// When it is void.
    pub expires_at: Timestamp,
}

/// Tokens of a session.
pub struct IssuedTokens {
    /// Access token.
    pub access: SecretString,
    /// Refresh token.
    pub refresh: SecretString,
    /// End of the access token.
    pub access_expires_at: Timestamp,
    /// End of the refresh token, and of the session.
    pub refresh_expires_at: Timestamp,
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// A token for the device, where there is one to give.
    pub device: Option<SecretString>,
}

/// Who asks, as an access token and the replicated state say.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Whose token.
    pub account: Account,
    /// Of which session.
    pub session: Session,
    /// Whether its owner proved himself within the last minutes with all that the account has (SE-5).
    pub is_fresh: bool,
}

impl Authenticated {
    /// Whether the session may administer.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.account.role == Role::Admin && self.session.proved.0.is_aal2()
    }
}

impl Auth {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: AuthConfig,
        replication: Replication,
        ring: Arc<KeyRing>,
        hashing: HashPool,
        signing: SigningKeys,
    ) -> Self {
        let (session_seconds, session_idle_seconds) = (config.refresh_seconds, config.session_idle_seconds);
        let settings = TokenSettings {
            issuer: config.issuer,
            audience: config.audience,
            access_seconds: config.access_seconds,
        };
        let verifier = TokenVerifier::new(&settings);
        let issuer = TokenIssuer::new(settings);
        Self {
            inner: Arc::new(Inner {
                replication,
                ring,
                hashing,
                signing,
                issuer,
                verifier,
                session_seconds,
                session_idle_seconds,
                decoy: decoy::Decoy::new(),
            }),
            flood: None,
            code_channel: Channel::Mail,
            passwords: Arc::default(),
        }
    }

    /// The same verbs, for so many guesses and registrations of one client address in a minute (TH-6). To be called once,
    /// before the first clone: every call starts a count of its own.
    #[must_use]
    pub fn with_flood_limit(mut self, guesses_per_address_per_minute: u32) -> Self {
        self.flood = Some(Arc::new(FloodLimit::new(guesses_per_address_per_minute)));
        self
    }

    /// Sends login codes this way. Before the first clone, too.
    #[must_use]
    pub fn with_code_channel(mut self, channel: Channel) -> Self {
        self.code_channel = channel;
        self
    }

    /// Counts a guess of the client's address, before it costs anything.
    fn admit(&self, ctx: &RequestContext) -> Result<(), ServiceError> {
        let Some(flood) = &self.flood else { return Ok(()) };
        flood
            .admit(ctx.client_address, clock::monotonic())
            .map_err(|wait| flood::refused(wait, clock::now()))
    }

    /// The public keys as a JWK set, when the cluster has one.
    #[must_use]
    pub fn jwks(&self) -> Option<bytes::Bytes> {
        self.inner.signing.jwks()
    }

    /// Names the entry of `verb` about `subject` in this client request: a retry names it alike and gets the same reply.
    /// The subject is part of it so that no reply can be fetched with the operation id of somebody else's request.
    fn request_id(ctx: &RequestContext, verb: &str, subject: &[u8]) -> RequestId {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(ctx.operation)
            .chain_update(verb)
            .chain_update([0])
            .chain_update(subject)
            .finalize()
            .into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        RequestId(id)
    }

    async fn propose(
        &self,
        ctx: &RequestContext,
        request_id: RequestId,
        command: Command,
    ) -> Result<Reply, ServiceError> {
        if let Some(kept) = &ctx.kept {
            return Ok(Reply::clone(kept));
        }
        let entry = Entry {
            request_id,
            at: clock::now(),
            client: self.client(ctx),
            command,
        };
        Ok(self.inner.replication.propose(&entry, ctx.deadline).await?)
    }

    /// The applied state, after every change that was acknowledged before this call. No quorum, no answer: whatever
    /// comes later is not worth computing then.
    async fn current_view(&self, ctx: &RequestContext) -> Result<View, ServiceError> {
        self.inner.replication.barrier(ctx.deadline).await?;
        Ok(self.inner.replication.view())
    }

    /// Refuses early what could not be answered with tokens in the end.
    fn require_signing_key(&self) -> Result<(), ServiceError> {
        if self.inner.signing.is_ready() {
            Ok(())
        } else {
            Err(ServiceError::Unavailable { not_executed: true })
        }
    }

    /// Tokens of a grant: equal grants give equal tokens, so a retry gets the ones that may have been lost.
    async fn issue(&self, ctx: &RequestContext, grant: &SessionGrant) -> Result<IssuedTokens, ServiceError> {
        let inner = &self.inner;
        let (access, refresh) = inner.issuer.issue(&inner.signing, grant, ctx.deadline).await?;
        Ok(IssuedTokens {
            access,
            refresh,
            access_expires_at: inner.issuer.access_expires_at(grant),
            refresh_expires_at: grant.expires_at,
            session: grant.session,
            account: grant.account,
            device: grant
                .device
                .map(|device| inner.ring.device_token(&device.device.0, device.generation)),
        })
    }
}

/// The time that the core will decide with, should the next entry be stamped now.
fn effective_now(view: &View) -> Result<Timestamp, ServiceError> {
    Ok(clock::now().max(query::log_clock(view)?))
}

/// Why a token does not count goes to the log; the caller is told nothing of it.
fn token_refused(reason: TokenRefused) -> ServiceError {
    tracing::debug!(%reason, "a token was refused");
    ServiceError::Unauthenticated
}
