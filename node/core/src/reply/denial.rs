//! Expected refusals: values that a verb answers with, not errors.

use crate::factor::Methods;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

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
    /// An administrator must have an authenticator app: the password alone would bind the next one.
    #[n(30)]
    AdminNeedsFactor {},
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
            Denial::AdminNeedsFactor {} => "admin_needs_factor",
        }
    }

    /// Whether it answers the request, and so is what a repeat by the same name gets. What is about the moment (429, 503) or
    /// about who asks is decided anew.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Denial::TooManyAttempts { .. }
            | Denial::TooManyMails { .. }
            | Denial::TooOld {}
            | Denial::SessionRevoked {}
            | Denial::StepUpRequired {}
            | Denial::Forbidden {}
            | Denial::IdempotencyKeyReused {}
            | Denial::InvalidCommand {} => false,
            Denial::UsernameTaken {}
            | Denial::InvalidCredentials {}
            | Denial::InvalidCode {}
            | Denial::EnrolmentRequired {}
            | Denial::AlreadyEnrolled {}
            | Denial::ChallengeGone {}
            | Denial::AccountDisabled {}
            | Denial::FactorDisabled {}
            | Denial::AccountGone {}
            | Denial::NotApproved {}
            | Denial::AddressUnconfirmed {}
            | Denial::RegistrationClosed {}
            | Denial::NotFound {}
            | Denial::TokenGone {}
            | Denial::SecondFactorRequired { .. }
            | Denial::TooManyFactors {}
            | Denial::VersionConflict { .. }
            | Denial::AdminExists {}
            | Denial::LastAdmin {}
            | Denial::MethodNotOffered {}
            | Denial::InvalidPolicy {}
            | Denial::KeyPending {}
            | Denial::AdminNeedsFactor {} => true,
        }
    }
}
