//! Mail that a command caused, kept until the leader has sent it. A repeat carries the same key, so it can be recognised.

use crate::ids::{AccountId, ChallengeId};
use crate::secret::Sealed;
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// What a mail says. The text itself is the sender's matter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MailTemplate {
    /// Somebody tried to register with this address, or to move an account to it; it has an account.
    #[n(0)]
    AddressAlreadyRegistered {},
    /// An authenticator was bound to the account (OTP-9).
    #[n(1)]
    AuthenticatorAdded {
        /// Name of the account.
        #[n(0)]
        username: String,
    },
    /// A code to log in with.
    #[n(2)]
    LoginCode {
        /// Name of the account.
        #[n(0)]
        username: String,
        /// The code, sealed.
        #[n(1)]
        code: Sealed,
        /// When it is void.
        #[n(2)]
        expires_at: Timestamp,
        /// The challenge that it answers, and that it is sealed for.
        #[n(3)]
        challenge: ChallengeId,
    },
    /// A token that proves this address.
    #[n(3)]
    ConfirmAddress {
        /// Name of the account.
        #[n(0)]
        username: String,
        /// The token, sealed for the mail's account.
        #[n(1)]
        token: Sealed,
        /// When it is void.
        #[n(2)]
        expires_at: Timestamp,
    },
    /// A token that resets the password.
    #[n(4)]
    ResetPassword {
        /// Name of the account.
        #[n(0)]
        username: String,
        /// The token, sealed for the mail's account.
        #[n(1)]
        token: Sealed,
        /// When it is void.
        #[n(2)]
        expires_at: Timestamp,
    },
    /// To the old address: the account has another one now.
    #[n(5)]
    AddressChanged {
        /// Name of the account.
        #[n(0)]
        username: String,
    },
    /// Something about the account's security changed.
    #[n(6)]
    Notice {
        /// Name of the account.
        #[n(0)]
        username: String,
        /// What.
        #[n(1)]
        what: Notice,
        /// Address of the client, where there was one.
        #[n(2)]
        client_address: String,
    },
}

/// What an owner is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// An authenticator app was removed.
    #[n(0)]
    AuthenticatorRemoved {},
    /// Too many wrong codes: an authenticator app must be bound anew (TH-1).
    #[n(1)]
    AuthenticatorDisabled {},
    /// A recovery code was used (RC-3).
    #[n(2)]
    RecoveryCodeUsed {
        /// Codes that are left.
        #[n(0)]
        left: u32,
    },
    /// There are new recovery codes; the old ones are void.
    #[n(3)]
    RecoveryCodesIssued {},
    /// Somebody with the right password did not finish a login (US-1).
    #[n(4)]
    LoginAbandoned {},
    /// An old token of a remembered device came back: it was forgotten and its sessions ended.
    #[n(5)]
    DeviceTokenCopied {},
    /// The password was changed or reset.
    #[n(6)]
    PasswordChanged {},
    /// An administrator let the account in.
    #[n(7)]
    AccountActivated {},
    /// An administrator removed all factors.
    #[n(8)]
    FactorsReset {},
    /// Mailed codes are a second factor now.
    #[n(9)]
    EmailFactorEnabled {},
    /// Mailed codes are no second factor any more.
    #[n(10)]
    EmailFactorDisabled {},
    /// The account was removed.
    #[n(11)]
    AccountDeleted {},
}

/// How a message travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Channel {
    /// Mail.
    #[default]
    #[n(0)]
    Mail,
    /// The operator's HTTP gateway, for SMS and others.
    #[n(1)]
    Gateway,
}

/// A row of the outbox, or of the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mail {
    /// The stable part of its Message-ID: log index of the entry that caused it times [`MAILS_PER_ENTRY_MAX`], plus its
    /// number within that entry.
    #[n(0)]
    pub key: u64,
    /// Recipient.
    #[n(1)]
    pub to: String,
    /// What it says.
    #[n(2)]
    pub template: MailTemplate,
    /// When it was caused.
    #[n(3)]
    pub created_at: Timestamp,
    /// How it travels.
    #[cbor(n(4), skip_if = "is_default")]
    pub channel: Channel,
    /// Language that its recipient used last: `en`, `pt` or `ru`.
    #[n(5)]
    pub language: Option<String>,
    /// Whose it is.
    #[n(6)]
    pub account: Option<AccountId>,
    /// Tries that failed.
    #[cbor(n(7), skip_if = "is_default")]
    pub attempts: u32,
    /// When it is tried again; in quarantine: when it is forgotten.
    #[n(8)]
    pub next_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    #[n(9)]
    pub last_error: Option<String>,
}

impl Channel {
    /// First byte of its rows in the table of what is due: each channel has a queue of its own there.
    pub(crate) const fn queue(self) -> u8 {
        match self {
            Self::Mail => 0,
            Self::Gateway => 1,
        }
    }
}

impl Mail {
    /// When it is to be tried next: at once while it never was.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.next_attempt_at.unwrap_or(self.created_at)
    }
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It was not handed over yet.
    Waiting {
        /// Tries that failed.
        attempts: u32,
    },
    /// It was handed over, at most [`crate::limits::MAIL_OUTCOME_SECONDS`] ago.
    Sent,
    /// It was refused for good, or too often.
    Quarantined,
    /// Nothing is known of it (any more).
    Unknown,
}

/// Mails that one entry causes at most.
pub const MAILS_PER_ENTRY_MAX: u64 = 32;
