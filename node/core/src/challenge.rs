//! Login challenges: the password was right, the second factor is awaited.

use crate::factor::Methods;
use crate::ids::{AccountId, ChallengeId, DeviceId, SessionId};
use crate::policy::risk::Reasons;
use crate::secret::Mac;
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// A row of the challenges table. It is removed when it is answered rightly, used up or expired.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// Its id.
    #[n(0)]
    pub id: ChallengeId,
    /// Who logs in.
    #[n(1)]
    pub account: AccountId,
    /// When it was made.
    #[n(2)]
    pub created_at: Timestamp,
    /// When it is void.
    #[n(3)]
    pub expires_at: Timestamp,
    /// Answers that it still takes.
    #[n(4)]
    pub answers_left: u8,
    /// What it may be answered with. `verify_factor` takes TOTP whatever is here.
    #[cbor(n(5), skip_if = "is_default")]
    pub methods: Methods,
    /// Why it was demanded.
    #[cbor(n(6), skip_if = "is_default")]
    pub reasons: Reasons,
    /// The code that was mailed for it last.
    #[n(7)]
    pub mailed: Option<MailedCode>,
    /// Mails sent for it.
    #[cbor(n(8), skip_if = "is_default")]
    pub mails: u32,
    /// The remembered device that asked: its own budget counts (TH-5).
    #[n(9)]
    pub device: Option<DeviceId>,
    /// The session that steps up, for a challenge that is no login.
    #[n(10)]
    pub step_up: Option<SessionId>,
    /// Whether it is good only for binding a factor (the enrolment token).
    #[cbor(n(11), skip_if = "is_default")]
    pub enrols: bool,
}

/// A code that was mailed (OTP-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MailedCode {
    /// Keyed hash over challenge and code.
    #[n(0)]
    pub mac: Mac,
    /// When it is void.
    #[n(1)]
    pub expires_at: Timestamp,
}
