//! Commands about accounts: password, address, sessions, devices, removal, administration.

use crate::account::Role;
use crate::ids::{AccountId, DeviceId, NameMac, SessionId};
use crate::policy::Policy;
use crate::secret::{Mac, Sealed};
use crate::tables::schema::is_default;
use minicbor::{Decode, Encode};

use super::Answer;

/// A password that was accepted by the password rules.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewPassword {
    /// Its hash, sealed.
    #[n(0)]
    pub sealed: Sealed,
    /// Whether it is long enough to be the only factor (PW-1).
    #[n(1)]
    pub alone: bool,
}

/// A token that was drawn to be mailed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewToken {
    /// Its hash.
    #[n(0)]
    pub hash: Mac,
    /// The token, sealed, for the mail.
    #[n(1)]
    pub sealed: Sealed,
}

/// Changes the password; the current one was right (a wrong one is charged with `refuse_login`). Other sessions end.
///
/// Replies: `Done`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangePassword {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
    /// `auth_seq` when the current password was compared.
    #[n(1)]
    pub base_seq: u64,
    /// The new one.
    #[n(2)]
    pub password: NewPassword,
}

/// Stores the same password hashed with stronger parameters (PW-6). Nothing else changes.
///
/// Replies: `Done`, also when the password was changed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UpgradePassword {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// SHA-256 of the sealed hash that it takes the place of.
    #[n(1)]
    pub old: Mac,
    /// The new hash, sealed.
    #[n(2)]
    pub sealed: Sealed,
}

/// Whose password shall be reset. Both cases cost the same entry (EN-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ResetSubject {
    /// That of an account.
    #[n(0)]
    Account(#[n(0)] AccountId),
    /// That of an address that nobody has.
    #[n(1)]
    UnknownAddress(#[n(0)] NameMac),
}

/// Mails a token with which the password can be reset. Answered the same, whoever it is and whether a mail goes out.
///
/// Replies: `Done`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RequestPasswordReset {
    /// Whose.
    #[n(0)]
    pub subject: ResetSubject,
    /// The token.
    #[n(1)]
    pub token: NewToken,
}

/// Sets a new password with a mailed token. An account with a factor must also answer with it (PW-9, RC-2). All sessions
/// end.
///
/// Replies: `Done`; refused with `TokenGone`, `SecondFactorRequired`, `InvalidCode`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ResetPassword {
    /// Hash of the token.
    #[n(0)]
    pub token: Mac,
    /// `auth_seq` when the answer was compared.
    #[n(1)]
    pub base_seq: u64,
    /// The new password.
    #[n(2)]
    pub password: NewPassword,
    /// The second factor: TOTP or a recovery code.
    #[n(3)]
    pub answer: Option<Answer>,
}

/// Mails a token to an address that shall become, or already is, the account's. Nothing changes before it comes back.
///
/// Replies: `Done`, also when the address has another account (its owner is told, the caller is not).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RequestEmailChange {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
    /// Address as written.
    #[n(1)]
    pub email: String,
    /// Address as looked up.
    #[n(2)]
    pub email_key: String,
    /// The token.
    #[n(3)]
    pub token: NewToken,
}

/// Proves an address with the token that was mailed to it. No session is needed. The old address is told.
///
/// Replies: `EmailConfirmed`; refused with `TokenGone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConfirmEmail {
    /// Hash of the token.
    #[n(0)]
    pub token: Mac,
}

/// Removes the account and everything that is its own. Audit rows stay.
///
/// Replies: `Done`; refused with `StepUpRequired`, `LastAdmin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeleteAccount {
    /// Whose session.
    #[n(0)]
    pub session: SessionId,
}

/// Which sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SessionScope {
    /// One of the account's.
    #[n(0)]
    One(#[n(0)] SessionId),
    /// All but the one that asks.
    #[n(1)]
    Others {},
    /// All.
    #[n(2)]
    All {},
}

/// Ends sessions of one's own account.
///
/// Replies: `SessionsEnded`; refused with `NotFound` for one that is not the account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndSessions {
    /// Whose session asks.
    #[n(0)]
    pub session: SessionId,
    /// Which end.
    #[n(1)]
    pub scope: SessionScope,
}

/// Forgets a remembered device; its sessions end.
///
/// Replies: `Done`; refused with `NotFound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ForgetDevice {
    /// Whose session asks.
    #[n(0)]
    pub session: SessionId,
    /// Which.
    #[n(1)]
    pub device: DeviceId,
}

/// Makes an account the first administrator. Only while there is none; proposed for the operator, never over HTTP.
///
/// Replies: `Done`; refused with `AdminExists`, `AccountGone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BootstrapAdmin {
    /// Which.
    #[n(0)]
    pub account: AccountId,
}

/// What an administrator does to an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AdminAction {
    /// Lets an account in that waits for it, or that was disabled.
    #[n(0)]
    Activate {},
    /// Keeps it out; its sessions end.
    #[n(1)]
    Disable {},
    /// Clears its budgets.
    #[n(2)]
    Unlock {},
    /// Changes its role; its sessions end.
    #[n(3)]
    SetRole {
        /// To what.
        #[n(0)]
        role: Role,
    },
    /// Ends its sessions.
    #[n(4)]
    EndSessions {},
    /// Removes its factors, recovery codes and devices; its sessions end, and its owner is told.
    #[n(5)]
    ResetFactors {},
    /// Mails its owner a token to reset the password with (PW-9: triggered, not chosen).
    #[n(6)]
    SendPasswordReset {
        /// The token.
        #[n(0)]
        token: NewToken,
    },
}

/// Administers an account. The session must be an administrator's at `aal2`.
///
/// Replies: `Done`; refused with `Forbidden`, `NotFound`, `LastAdmin`; with `AdminNeedsFactor` where an administrator would
/// be without an authenticator app.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AdministerAccount {
    /// Whose session asks.
    #[n(0)]
    pub session: SessionId,
    /// Which account.
    #[n(1)]
    pub account: AccountId,
    /// What.
    #[n(2)]
    pub action: AdminAction,
    /// What else, in this order. All of it happens or none.
    #[cbor(n(3), skip_if = "is_default")]
    pub then: Vec<AdminAction>,
}

/// Replaces the policy. The session must be an administrator's at `aal2`.
///
/// Replies: `PolicySet`; refused with `Forbidden`, `VersionConflict`, `InvalidPolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetPolicy {
    /// Whose session asks.
    #[n(0)]
    pub session: SessionId,
    /// Version that was read (`If-Match`).
    #[n(1)]
    pub expected_version: u64,
    /// The new one; its `version` is not looked at.
    #[n(2)]
    pub policy: Policy,
}
