//! The vocabulary of the log: one variant per verb. Ids and evidence come from the proposing node; the core decides.
//!
//! Bytes are forever: variants and fields are appended, numbers are never used again.

mod accounts;
mod operation;
mod sign_in;

pub use accounts::*;
pub use operation::*;
pub use sign_in::*;

use crate::ids::{AccountId, ChallengeId, FactorId, NameMac, SessionId};
use crate::secret::Sealed;
use crate::tables::schema::is_default;
use minicbor::{Decode, Encode};

/// What an entry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make an account.
    RegisterAccount(RegisterAccount),
    /// Charge a login whose password was wrong, or whose name nobody has.
    RefuseLogin(RefuseLogin),
    /// Bind a TOTP seed to an account, not yet confirmed.
    EnrolTotp(EnrolTotp),
    /// The password was right: open a challenge for the second factor.
    StartLogin(StartLogin),
    /// Answer a challenge.
    VerifyFactor(VerifyFactor),
    /// Password and code in one request; the password was right.
    LogIn(LogIn),
    /// Rotate the tokens of a session.
    RefreshSession(RefreshSession),
    /// End a session.
    EndSession(EndSession),
    /// Give the cluster its signing key.
    InstallSigningKey(InstallSigningKey),
    /// A mail of the outbox was handed over.
    MarkMailSent(MarkMailSent),
    /// The password was right: a session, or a demand for a second factor.
    SignIn(SignIn),
    /// Answer a challenge with any method.
    AnswerChallenge(AnswerChallenge),
    /// Mail a code for a challenge.
    SendCode(SendCode),
    /// Set a new password with the current one.
    ChangePassword(ChangePassword),
    /// Mail a token to reset the password.
    RequestPasswordReset(RequestPasswordReset),
    /// Set a new password with a mailed token.
    ResetPassword(ResetPassword),
    /// Mail a token to an address.
    RequestEmailChange(RequestEmailChange),
    /// Prove an address with a mailed token.
    ConfirmEmail(ConfirmEmail),
    /// Remove an account.
    DeleteAccount(DeleteAccount),
    /// Give an account recovery codes.
    IssueRecoveryCodes(IssueRecoveryCodes),
    /// Add an authenticator app.
    AddTotp(AddTotp),
    /// Confirm an authenticator app.
    ConfirmTotp(ConfirmTotp),
    /// Remove an authenticator app.
    RemoveTotp(RemoveTotp),
    /// Make mailed codes a second factor, or not.
    SetEmailFactor(SetEmailFactor),
    /// Prove the owner of a session anew.
    StepUp(StepUp),
    /// Open a challenge for that.
    StartStepUp(StartStepUp),
    /// End sessions of one account.
    EndSessions(EndSessions),
    /// Forget a remembered device.
    ForgetDevice(ForgetDevice),
    /// Replace the policy.
    SetPolicy(SetPolicy),
    /// Make the first administrator.
    BootstrapAdmin(BootstrapAdmin),
    /// Administer an account.
    AdministerAccount(AdministerAccount),
    /// Give the cluster its next signing key.
    AddSigningKey(AddSigningKey),
    /// Remove signing keys whose time is over.
    DropSigningKeys(DropSigningKeys),
    /// Seal values with another key.
    Reseal(Reseal),
    /// A mail of the outbox could not be handed over.
    MarkMailFailed(MarkMailFailed),
    /// Take a mail out of quarantine.
    ReleaseMail(ReleaseMail),
    /// Store a password hashed with stronger parameters.
    UpgradePassword(UpgradePassword),
    /// See [`KeepAnswer`].
    KeepAnswer(KeepAnswer),
}

/// Makes an account. Refused when the name is taken; when the address is taken the reply looks like success, and the
/// owner of the address is told by mail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterAccount {
    /// Id for the new account.
    #[n(0)]
    pub account: AccountId,
    /// Name as written (NFC).
    #[n(1)]
    pub username: String,
    /// Name as looked up.
    #[n(2)]
    pub username_key: String,
    /// Address as written.
    #[n(3)]
    pub email: String,
    /// Address as looked up.
    #[n(4)]
    pub email_key: String,
    /// Password hash, sealed.
    #[n(5)]
    pub password: Sealed,
    /// Whether the password is long enough to be the only factor (PW-1).
    #[cbor(n(6), skip_if = "is_default")]
    pub password_alone: bool,
    /// A token to prove the address with, mailed to it when the account is made.
    #[n(7)]
    pub confirmation: Option<NewToken>,
}

/// Whom a wrong password is charged to. Both cases cost the same entry, so that time does not tell them apart (EN-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Subject {
    /// An account, as it was when the password was compared.
    #[n(0)]
    Account {
        /// Which.
        #[n(0)]
        account: AccountId,
        /// Its `auth_seq` then.
        #[n(1)]
        base_seq: u64,
    },
    /// A name that nobody has.
    #[n(1)]
    UnknownName {
        /// Keyed hash of the name.
        #[n(0)]
        name: NameMac,
    },
}

/// Charges a wrong password.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RefuseLogin {
    /// Whom to charge.
    #[n(0)]
    pub subject: Subject,
}

/// Binds a seed. Refused while the account is bound to a factor; replaces a seed that was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnrolTotp {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// `auth_seq` when the password was compared.
    #[n(1)]
    pub base_seq: u64,
    /// Id for the new factor.
    #[n(2)]
    pub factor: FactorId,
    /// Its seed, sealed.
    #[n(3)]
    pub seed: Sealed,
    /// What its owner calls it.
    #[n(4)]
    pub label: String,
}

/// Opens a challenge after the right password.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StartLogin {
    /// Who logs in.
    #[n(0)]
    pub account: AccountId,
    /// `auth_seq` when the password was compared.
    #[n(1)]
    pub base_seq: u64,
    /// Id for the challenge.
    #[n(2)]
    pub challenge: ChallengeId,
    /// A seed to bind, for an account without a factor; left aside when there is one, pending or not. In the same entry,
    /// because the account's budget may be used up by the very login that needs the seed.
    #[n(3)]
    pub enrol: Option<NewTotp>,
}

/// A seed that was drawn for a factor that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewTotp {
    /// Id for the factor.
    #[n(0)]
    pub factor: FactorId,
    /// Its seed, sealed.
    #[n(1)]
    pub seed: Sealed,
    /// What its owner calls it.
    #[n(2)]
    pub label: String,
}

/// A code that was compared with a factor's seed: only the outcome enters the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CodeEvidence {
    /// The factor whose seed was used.
    #[n(0)]
    pub factor: FactorId,
    /// The time step whose digits were given, if any step in the window had them.
    #[n(1)]
    pub matched_step: Option<u64>,
}

/// Answers a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifyFactor {
    /// Which.
    #[n(0)]
    pub challenge: ChallengeId,
    /// `auth_seq` of its account when the code was compared.
    #[n(1)]
    pub base_seq: u64,
    /// What the comparison gave.
    #[n(2)]
    pub code: CodeEvidence,
    /// Id for the session, should it be right.
    #[n(3)]
    pub session: SessionId,
    /// Absolute life of that session, in seconds.
    #[n(4)]
    pub session_seconds: u64,
}

/// Password (right) and code in one request. Without a usable factor the answer is that enrolment is required.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogIn {
    /// Who logs in.
    #[n(0)]
    pub account: AccountId,
    /// `auth_seq` when password and code were compared.
    #[n(1)]
    pub base_seq: u64,
    /// What the comparison gave; none when the account had no usable factor.
    #[n(2)]
    pub code: Option<CodeEvidence>,
    /// Id for the session, should it be right.
    #[n(3)]
    pub session: SessionId,
    /// Absolute life of that session, in seconds.
    #[n(4)]
    pub session_seconds: u64,
    /// A device to know from now on, where none was shown.
    #[n(5)]
    pub device: Option<NewDevice>,
    /// How long the tokens of that session may rest before it is over, in seconds.
    #[n(6)]
    pub idle_seconds: Option<u64>,
}

/// Rotates the refresh token. The immediate predecessor is honoured for ten seconds and gets the same successor; an
/// older one ends the session (RT-1, RT-2).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RefreshSession {
    /// Which.
    #[n(0)]
    pub session: SessionId,
    /// Generation in the token that was shown.
    #[n(1)]
    pub generation: u32,
}

/// Ends a session. Ending one that is gone already is not an error.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndSession {
    /// Which.
    #[n(0)]
    pub session: SessionId,
}

/// Gives the cluster its signing key. The first one wins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InstallSigningKey {
    /// RFC 7638 thumbprint.
    #[n(0)]
    pub kid: String,
    /// `RS256`.
    #[n(1)]
    pub algorithm: String,
    /// Public key, DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub public_der: Vec<u8>,
    /// Private key, sealed.
    #[n(3)]
    pub private: Sealed,
}

/// A mail was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MarkMailSent {
    /// Key of its outbox row.
    #[n(0)]
    pub key: u64,
}
