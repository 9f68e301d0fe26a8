//! What an entry answers. A reply holds all that a node needs to build the same tokens and pages again.

use crate::device::DeviceGrant;
use crate::error::Fault;
use crate::factor::Methods;
use crate::ids::{AccountId, ChallengeId, FactorId, SessionId};
use crate::policy::risk::Reasons;
use crate::session::Proved;
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Format of a reply's bytes.
const FORMAT: u8 = 1;

/// The answer to one entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// The account exists now (or seems to: see [`crate::command::RegisterAccount`]).
    #[n(0)]
    AccountRegistered {
        /// Its id.
        #[n(0)]
        account: AccountId,
        /// When it was made.
        #[n(1)]
        created_at: Timestamp,
    },
    /// The factor waits for its first code.
    #[n(1)]
    TotpPending {
        /// Which.
        #[n(0)]
        factor: FactorId,
        /// When it is void.
        #[n(1)]
        expires_at: Timestamp,
    },
    /// The second factor is awaited.
    #[n(2)]
    ChallengeStarted {
        /// Which.
        #[n(0)]
        challenge: ChallengeId,
        /// When it is void.
        #[n(1)]
        expires_at: Timestamp,
        /// Whether the account is bound to a factor; otherwise it must enrol one first.
        #[n(2)]
        bound: bool,
    },
    /// Both factors were right.
    #[n(3)]
    SessionStarted(#[n(0)] SessionGrant),
    /// The tokens rotated.
    #[n(4)]
    SessionRefreshed(#[n(0)] SessionGrant),
    /// The session is over.
    #[n(5)]
    SessionEnded {},
    /// The cluster has a signing key, this one or an earlier one.
    #[n(6)]
    SigningKeyInstalled {},
    /// The mail will not be sent again.
    #[n(7)]
    MailMarkedSent {},
    /// The wrong guess was charged, or was refused unseen.
    #[n(8)]
    Denied(#[n(0)] Denial),
    /// The account changed since the evidence was computed: read again and propose the same evidence with the new
    /// `auth_seq`. Nothing was changed and the request id is not used up.
    #[n(9)]
    Stale {
        /// Its `auth_seq` now.
        #[n(0)]
        auth_seq: u64,
    },
    /// A second factor is demanded: the challenge awaits it.
    #[n(10)]
    SecondFactorRequired {
        /// Which challenge.
        #[n(0)]
        challenge: ChallengeId,
        /// When it is void.
        #[n(1)]
        expires_at: Timestamp,
        /// What it may be answered with.
        #[n(2)]
        methods: Methods,
        /// Why it is demanded.
        #[n(3)]
        reasons: Reasons,
        /// Key of the mail with a code, when one was sent at once.
        #[n(4)]
        mail: Option<u64>,
    },
    /// A second factor is demanded and there is none: the challenge is good only for binding one.
    #[n(11)]
    EnrolmentStarted {
        /// Which challenge.
        #[n(0)]
        challenge: ChallengeId,
        /// When it is void.
        #[n(1)]
        expires_at: Timestamp,
        /// Why it is demanded.
        #[n(2)]
        reasons: Reasons,
    },
    /// A code is on its way.
    #[n(12)]
    CodeSent {
        /// Key of its mail.
        #[n(0)]
        mail: u64,
        /// When it is void.
        #[n(1)]
        expires_at: Timestamp,
    },
    /// It was done; there is nothing to tell. The audit says what.
    #[n(13)]
    Done {},
    /// Sessions are over.
    #[n(14)]
    SessionsEnded {
        /// How many were live.
        #[n(0)]
        count: u32,
    },
    /// The account has new recovery codes.
    #[n(15)]
    RecoveryCodesIssued {
        /// How many.
        #[n(0)]
        count: u32,
    },
    /// The policy is in force.
    #[n(16)]
    PolicySet {
        /// Its version.
        #[n(0)]
        version: u64,
    },
    /// Values were sealed anew.
    #[n(17)]
    Resealed {
        /// How many.
        #[n(0)]
        count: u32,
        /// How many had changed meanwhile and stayed.
        #[n(1)]
        skipped: u32,
    },
    /// The mail is tried again, or in quarantine.
    #[n(18)]
    MailPostponed {
        /// Tries so far.
        #[n(0)]
        attempts: u32,
        /// Whether it is in quarantine.
        #[n(1)]
        quarantined: bool,
    },
    /// The address is proven.
    #[n(19)]
    EmailConfirmed {
        /// Whose it is.
        #[n(0)]
        account: AccountId,
    },
}

/// What tokens are made from. Equal grants give equal tokens, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SessionGrant {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// Its account.
    #[n(1)]
    pub account: AccountId,
    /// Generation of the refresh token.
    #[n(2)]
    pub generation: u32,
    /// `iat` of both tokens.
    #[n(3)]
    pub issued_at: Timestamp,
    /// When both factors were proven.
    #[n(4)]
    pub auth_time: Timestamp,
    /// End of the session, whatever is refreshed.
    #[n(5)]
    pub expires_at: Timestamp,
    /// What its owner proved: `amr`, and `acr` by [`Methods::is_aal2`].
    #[cbor(n(6), skip_if = "is_default")]
    pub proved: Proved,
    /// A device token to give to the client.
    #[n(7)]
    pub device: Option<DeviceGrant>,
}

/// An expected refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Denial {
    /// The name has an account.
    #[n(0)]
    UsernameTaken {},
    /// Name, password or code is wrong: which one is not told.
    #[n(1)]
    InvalidCredentials {},
    /// The code is wrong, was used, or is too old.
    #[n(2)]
    InvalidCode {},
    /// The budget is used up. The guess was not looked at.
    #[n(3)]
    TooManyAttempts {
        /// When the next guess will be.
        #[n(0)]
        until: Timestamp,
    },
    /// The account has no factor to log in with.
    #[n(4)]
    EnrolmentRequired {},
    /// The account is bound to a factor: a password alone does not change that.
    #[n(5)]
    AlreadyEnrolled {},
    /// There is no such challenge: never was, answered, used up or expired.
    #[n(6)]
    ChallengeGone {},
    /// There is no such session, or it ended, or the refresh token was used before.
    #[n(7)]
    SessionRevoked {},
    /// The account may not log in.
    #[n(8)]
    AccountDisabled {},
    /// The factor had too many failures and must be bound anew.
    #[n(9)]
    FactorDisabled {},
    /// The entry was older by the log's clock than [`crate::limits::ENTRY_AGE_SECONDS_MAX`]. It had no effect, and its
    /// request id is not used up.
    #[n(10)]
    TooOld {},
    /// There is no such account (any more).
    #[n(11)]
    AccountGone {},
    /// The account waits for an administrator.
    #[n(12)]
    NotApproved {},
    /// The address must be proven first.
    #[n(13)]
    AddressUnconfirmed {},
    /// Nobody may register.
    #[n(14)]
    RegistrationClosed {},
    /// The session must prove itself anew (SE-5).
    #[n(15)]
    StepUpRequired {},
    /// The session may not do that: not an administrator, or not at `aal2`.
    #[n(16)]
    Forbidden {},
    /// There is no such thing, or it is not the caller's.
    #[n(17)]
    NotFound {},
    /// The mailed token is wrong, was used or is too old.
    #[n(18)]
    TokenGone {},
    /// A second factor must come along. Nothing was charged.
    #[n(19)]
    SecondFactorRequired {
        /// What it may be answered with.
        #[n(0)]
        methods: Methods,
    },
    /// The key was used for another request.
    #[n(20)]
    IdempotencyKeyReused {},
    /// Too much mail for this account, or for this challenge (TH-9).
    #[n(21)]
    TooManyMails {
        /// When the next mail can be sent.
        #[n(0)]
        until: Timestamp,
    },
    /// The account has as many factors as it may have.
    #[n(22)]
    TooManyFactors {},
    /// The policy was changed meanwhile.
    #[n(23)]
    VersionConflict {
        /// The version in force.
        #[n(0)]
        version: u64,
    },
    /// There is an administrator: the first one is made only once.
    #[n(24)]
    AdminExists {},
    /// There would be no administrator any more.
    #[n(25)]
    LastAdmin {},
    /// The challenge does not take this method.
    #[n(26)]
    MethodNotOffered {},
    /// The policy contradicts itself or is over a bound.
    #[n(27)]
    InvalidPolicy {},
    /// A signing key waits to become active already, or the same key is there.
    #[n(28)]
    KeyPending {},
    /// The entry is over a bound that its proposer must keep.
    #[n(29)]
    InvalidCommand {},
}

impl Reply {
    /// The bytes that are stored and sent back to the proposer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        // Writing to a Vec cannot fail.
        let _ = minicbor::encode(self, &mut bytes);
        bytes
    }

    /// Reads what [`Self::encode`] writes.
    ///
    /// # Errors
    /// [`Fault::Entry`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        match bytes.split_first() {
            Some((&FORMAT, body)) => minicbor::decode(body).map_err(|e| Fault::Entry(format!("reply: {e}"))),
            _ => Err(Fault::Entry("reply: format is not known".into())),
        }
    }

    /// Name of the outcome in audit rows, logs and metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Reply::AccountRegistered { .. } => "account_registered",
            Reply::TotpPending { .. } => "totp_pending",
            Reply::ChallengeStarted { .. } => "challenge_started",
            Reply::SessionStarted(_) => "session_started",
            Reply::SessionRefreshed(_) => "session_refreshed",
            Reply::SessionEnded {} => "session_ended",
            Reply::SigningKeyInstalled {} => "signing_key_installed",
            Reply::MailMarkedSent {} => "mail_marked_sent",
            Reply::Denied(denial) => denial.code(),
            Reply::Stale { .. } => "stale",
            Reply::SecondFactorRequired { .. } => "second_factor_required",
            Reply::EnrolmentStarted { .. } => "enrolment_started",
            Reply::CodeSent { .. } => "code_sent",
            Reply::Done {} => "done",
            Reply::SessionsEnded { .. } => "sessions_ended",
            Reply::RecoveryCodesIssued { .. } => "recovery_codes_issued",
            Reply::PolicySet { .. } => "policy_set",
            Reply::Resealed { .. } => "resealed",
            Reply::MailPostponed { .. } => "mail_postponed",
            Reply::EmailConfirmed { .. } => "email_confirmed",
        }
    }
}

impl Denial {
    /// Stable name of the refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Denial::UsernameTaken {} => "username_taken",
            Denial::InvalidCredentials {} => "invalid_credentials",
            Denial::InvalidCode {} => "invalid_code",
            Denial::TooManyAttempts { .. } => "too_many_attempts",
            Denial::EnrolmentRequired {} => "enrolment_required",
            Denial::AlreadyEnrolled {} => "already_enrolled",
            Denial::ChallengeGone {} => "challenge_gone",
            Denial::SessionRevoked {} => "session_revoked",
            Denial::AccountDisabled {} => "account_disabled",
            Denial::FactorDisabled {} => "factor_disabled",
            Denial::TooOld {} => "too_old",
            Denial::AccountGone {} => "account_gone",
            Denial::NotApproved {} => "not_approved",
            Denial::AddressUnconfirmed {} => "address_unconfirmed",
            Denial::RegistrationClosed {} => "registration_closed",
            Denial::StepUpRequired {} => "step_up_required",
            Denial::Forbidden {} => "forbidden",
            Denial::NotFound {} => "not_found",
            Denial::TokenGone {} => "token_gone",
            Denial::SecondFactorRequired { .. } => "second_factor_required",
            Denial::IdempotencyKeyReused {} => "idempotency_key_reused",
            Denial::TooManyMails { .. } => "too_many_mails",
            Denial::TooManyFactors {} => "too_many_factors",
            Denial::VersionConflict { .. } => "version_conflict",
            Denial::AdminExists {} => "admin_exists",
            Denial::LastAdmin {} => "last_admin",
            Denial::MethodNotOffered {} => "method_not_offered",
            Denial::InvalidPolicy {} => "invalid_policy",
            Denial::KeyPending {} => "key_pending",
            Denial::InvalidCommand {} => "invalid_command",
        }
    }
}
