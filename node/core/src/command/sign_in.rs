//! Commands of a login beyond TOTP: the risk rules, mailed codes, recovery codes, step-up.

use crate::ids::{AccountId, ChallengeId, DeviceId, FactorId, SessionId};
use crate::outbox::Channel;
use crate::secret::{Mac, Sealed};
use crate::tables::schema::is_default;
use minicbor::{Decode, Encode};

use super::CodeEvidence;

/// The password was right: start a session, or demand a second factor where the account, the rules or the surface ask
/// for one. With an `answer` the second factor came in the same request; then what is wrong is not told.
///
/// Replies: `SessionStarted`, `SecondFactorRequired`, `EnrolmentStarted` (a factor must be bound first).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignIn {
    /// Who logs in.
    #[n(0)]
    pub account: AccountId,
    /// `auth_seq` when password and answer were compared.
    #[n(1)]
    pub base_seq: u64,
    /// Id for the challenge, should one be needed.
    #[n(2)]
    pub challenge: ChallengeId,
    /// The session, should it be started.
    #[n(3)]
    pub session: NewSession,
    /// A second factor that came along.
    #[n(4)]
    pub answer: Option<Answer>,
    /// Whether a second factor is demanded whatever the rules say.
    #[cbor(n(5), skip_if = "is_default")]
    pub always: bool,
    /// Place of this login among ten thousand: keyed hash of account, device and day. Below the policy's share it is
    /// asked for a second factor.
    #[n(6)]
    pub share: Option<u16>,
    /// A code to mail at once, should a mailed code be among the methods; computed for `challenge`.
    #[n(7)]
    pub code: Option<NewCode>,
}

/// The session that a login starts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewSession {
    /// Id for it.
    #[n(0)]
    pub session: SessionId,
    /// Its absolute life in seconds, at most [`crate::limits::SESSION_SECONDS_MAX`].
    #[n(1)]
    pub seconds: u64,
    /// How long its tokens may rest before it is over, in seconds.
    #[n(2)]
    pub idle_seconds: Option<u64>,
    /// A device to remember, where none was shown.
    #[n(3)]
    pub device: Option<NewDevice>,
}

/// A device that shall be known from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewDevice {
    /// Id for it.
    #[n(0)]
    pub device: DeviceId,
    /// What it is called.
    #[n(1)]
    pub name: String,
    /// Whether its owner asked for that.
    #[n(2)]
    pub remembered: bool,
}

/// A second factor, compared as far as it can be outside: each part that is given is one thing it was compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The outcome of comparing it with the seeds of all confirmed factors. When none matched, `factor` names any.
    #[n(0)]
    pub totp: Option<CodeEvidence>,
    /// Keyed hash over challenge and code, to be compared with that of the mailed code.
    #[n(1)]
    pub mailed: Option<Mac>,
    /// Hash of a recovery code.
    #[n(2)]
    pub recovery: Option<Mac>,
    /// Hash of a recovery code that takes the place of the one that is used up. No service sends one: no surface could show it.
    #[n(3)]
    pub replacement: Option<Mac>,
}

/// A code that was drawn to be mailed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewCode {
    /// Keyed hash over challenge and code.
    #[n(0)]
    pub mac: Mac,
    /// The code, sealed, for the mail.
    #[n(1)]
    pub sealed: Sealed,
    /// How it is sent.
    #[cbor(n(2), skip_if = "is_default")]
    pub channel: Channel,
}

/// Answers a challenge with any of its methods. A login's starts a session, a step-up's refreshes its own.
///
/// Replies: `SessionStarted` or `SessionRefreshed`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AnswerChallenge {
    /// Which.
    #[n(0)]
    pub challenge: ChallengeId,
    /// `auth_seq` of its account when the answer was compared.
    #[n(1)]
    pub base_seq: u64,
    /// What was given.
    #[n(2)]
    pub answer: Answer,
    /// The session, should it be right.
    #[n(3)]
    pub session: NewSession,
}

/// Mails a code for a challenge, or another one: the earlier one is void, the guesses are not refilled (OTP-11, TH-9).
///
/// Replies: `CodeSent`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SendCode {
    /// Which.
    #[n(0)]
    pub challenge: ChallengeId,
    /// The code.
    #[n(1)]
    pub code: NewCode,
}

/// Proves the owner of a session anew (SE-5). An account with a factor of its own must use a second factor.
///
/// Replies: `SessionRefreshed` with a new generation and `auth_time`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StepUp {
    /// Which.
    #[n(0)]
    pub session: SessionId,
    /// `auth_seq` of its account when the proof was compared.
    #[n(1)]
    pub base_seq: u64,
    /// Whether the password was shown, and right. One that was wrong is charged with `refuse_login`.
    #[n(2)]
    pub password: bool,
    /// A second factor: TOTP or a recovery code.
    #[n(3)]
    pub answer: Option<Answer>,
}

/// Opens a challenge with which a session steps up, for codes that must be mailed first.
///
/// Replies: `SecondFactorRequired`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StartStepUp {
    /// Which.
    #[n(0)]
    pub session: SessionId,
    /// Id for the challenge.
    #[n(1)]
    pub challenge: ChallengeId,
    /// A code to mail at once.
    #[n(2)]
    pub code: Option<NewCode>,
}

/// Who asks for a factor: a session that proved itself lately, or a login that must bind one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Authority {
    /// A session.
    #[n(0)]
    Session(#[n(0)] SessionId),
    /// A challenge of an account without a factor (the enrolment token).
    #[n(1)]
    Challenge(#[n(0)] ChallengeId),
}

/// Adds an authenticator app, not confirmed yet; replaces one that was not confirmed.
///
/// Replies: `TotpPending`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddTotp {
    /// Who asks.
    #[n(0)]
    pub authority: Authority,
    /// The factor.
    #[n(1)]
    pub new: super::NewTotp,
}

/// Confirms it with its first code, whose step is burned.
///
/// Replies: `Done`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConfirmTotp {
    /// Who asks.
    #[n(0)]
    pub authority: Authority,
    /// `auth_seq` when the code was compared.
    #[n(1)]
    pub base_seq: u64,
    /// What the comparison gave.
    #[n(2)]
    pub code: CodeEvidence,
}

/// Removes an authenticator app.
///
/// Replies: `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveTotp {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
    /// Which.
    #[n(1)]
    pub factor: FactorId,
}

/// Makes mailed codes the account's second factor, or takes that back.
///
/// Replies: `Done`; refused with `AddressUnconfirmed` while the address is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetEmailFactor {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
    /// Whether it shall be one.
    #[n(1)]
    pub enabled: bool,
}

/// Gives the account a new set of recovery codes; the old ones are void.
///
/// Replies: `RecoveryCodesIssued`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssueRecoveryCodes {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
    /// Hash of each code: [`crate::limits::RECOVERY_CODES`] of them.
    #[n(1)]
    pub hashes: Vec<Mac>,
}
