//! What an entry answers. A reply holds all that a node needs to build the same tokens and pages again.

mod denial;

pub use denial::Denial;

use crate::account::AccountStatus;
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
        /// What it waits for before anybody may log in; none when that is nothing.
        #[n(2)]
        waits: Option<AccountStatus>,
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
