//! `sign_in`: password, perhaps with a code; then a session, a challenge, or word that a factor must be bound first.

use super::answer::Given;
use super::claim::{Claim, Code, Compared, Who};
use super::error::refusal;
use super::guess::Known;
use super::{Auth, IssuedTokens, ServiceError, challenge, effective_now};
use crate::entropy;
use crate::http::context::RequestContext;
use auth_core::command::{Command, SignIn};
use auth_core::factor::Methods;
use auth_core::ids::{AccountId, ChallengeId};
use auth_core::policy::risk::Reasons;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::time::Timestamp;
use secrecy::SecretString;
use std::sync::atomic::{AtomicBool, Ordering};

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// What somebody logs in with.
pub struct Credentials<'a> {
    /// User name or mail address.
    pub identifier: &'a str,
    /// Password.
    pub password: &'a SecretString,
    /// A second factor that came along.
    pub code: Option<Given<'a>>,
    /// Whether a code is mailed at once, should a mailed code be among the methods.
    pub mail_at_once: bool,
    /// Whether the owner asked to have this device remembered.
    pub remember_device: bool,
}

/// What came of it.
pub enum SignedIn {
    /// A session.
    Complete(IssuedTokens),
    /// A second factor is awaited.
    SecondFactor(AwaitedFactor),
    /// A factor must be bound first; the token is good for nothing else.
    Enrol {
        /// Shown as bearer.
        token: String,
        /// When it is void.
        expires_at: Timestamp,
    },
}

/// A challenge.
pub struct AwaitedFactor {
    /// Value of the challenge cookie, and `challenge_id` in bodies.
    pub challenge: String,
    /// What it may be answered with.
    pub methods: Methods,
    /// Why.
    pub reasons: Reasons,
    /// When it is void.
    pub expires_at: Timestamp,
    /// The mail with a code, if one is on its way.
    pub mail: Option<u64>,
    /// Whether a code should have been mailed at once and could not be made.
    pub is_code_missing: bool,
}

impl Auth {
    /// Evaluates password and code.
    ///
    /// # Errors
    /// `Denied` with `InvalidCredentials` whichever part was wrong, `TooManyAttempts`, or after the right password only
    /// `NotApproved`, `AddressUnconfirmed`, `AccountDisabled`.
    pub async fn sign_in(&self, ctx: &RequestContext, with: Credentials<'_>) -> Result<SignedIn, ServiceError> {
        self.require_signing_key()?;
        let challenge = ChallengeId(entropy::bytes());
        let session = self.new_session(ctx, with.remember_device);
        let is_code_missing = AtomicBool::new(false);
        let claim = Claim {
            verb: "sign_in",
            who: Who::Named(with.identifier),
            password: with.password,
            code: with.code.map_or(Code::Absent, Code::Given),
        };
        let guessed = self
            .guess(ctx, &claim, |known, compared| {
                let answer = match compared {
                    Compared::Answer(answer) => Some(*answer),
                    Compared::Nothing | Compared::Totp(_) => None,
                };
                // What cannot be made is told only after the login was counted, as everything is that tells a right password.
                let code = with.mail_at_once.then(|| self.new_code(challenge)).and_then(|made| {
                    made.inspect_err(|error| {
                        tracing::error!(%error, "a code could not be made");
                        is_code_missing.store(true, Ordering::Relaxed);
                    })
                    .ok()
                });
                Ok(Command::SignIn(SignIn {
                    account: known.account.id,
                    base_seq: known.account.auth_seq,
                    challenge,
                    session: session.clone(),
                    answer,
                    always: false,
                    share: Some(self.share(ctx, known)?),
                    code,
                }))
            })
            .await?;
        let is_code_missing = is_code_missing.into_inner();
        self.signed_in(ctx, guessed.reply, is_code_missing).await
    }

    async fn signed_in(
        &self,
        ctx: &RequestContext,
        reply: Reply,
        is_code_missing: bool,
    ) -> Result<SignedIn, ServiceError> {
        let cookie = |id: ChallengeId| challenge::cookie(&self.inner.ring, id);
        match reply {
            Reply::SessionStarted(grant) => Ok(SignedIn::Complete(self.issue(ctx, &grant).await?)),
            Reply::SecondFactorRequired {
                challenge,
                expires_at,
                methods,
                reasons,
                mail,
            } => Ok(SignedIn::SecondFactor(AwaitedFactor {
                challenge: cookie(challenge),
                methods,
                reasons,
                expires_at,
                mail,
                is_code_missing,
            })),
            Reply::EnrolmentStarted {
                challenge, expires_at, ..
            } => Ok(SignedIn::Enrol {
                token: cookie(challenge),
                expires_at,
            }),
            other => Err(refusal("sign_in", &other)),
        }
    }

    /// The draw of this account on this device today: the same on every node and at every try.
    fn share(&self, ctx: &RequestContext, known: &Known) -> Result<u16, ServiceError> {
        let device = self.device_proof(ctx).map(|proof| proof.device.0).unwrap_or_default();
        let AccountId(account) = known.account.id;
        let now = effective_now(&self.inner.replication.view())?;
        let day = now.seconds() / DAY_SECONDS;
        Ok(self.inner.ring.sticky_draw(&account, &device, day))
    }

    /// What an account is called and numbered, for surfaces that tell it with the tokens.
    ///
    /// # Errors
    /// `Unauthenticated` when it is gone.
    pub fn account_of(&self, id: AccountId) -> Result<auth_core::account::Account, ServiceError> {
        query::account(&self.inner.replication.view(), id)?.ok_or(ServiceError::Unauthenticated)
    }
}
