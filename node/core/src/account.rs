//! Accounts.

use crate::ids::AccountId;
use crate::limits::UNCONFIRMED_SECONDS;
use crate::policy::risk::Reasons;
use crate::policy::throttle::Throttle;
use crate::reply::Denial;
use crate::secret::{Mac, Sealed};
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Whether an account may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AccountStatus {
    /// May log in.
    #[n(0)]
    Active,
    /// May not.
    #[n(1)]
    Disabled,
    /// Waits for an administrator.
    #[n(2)]
    PendingApproval,
    /// Waits for its owner to prove the address.
    #[n(3)]
    Unconfirmed,
}

/// What an account may administer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Itself.
    #[default]
    #[n(0)]
    User,
    /// All accounts and the policy.
    #[n(1)]
    Admin,
}

/// Mail that an account caused within the current window (TH-9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MailWindow {
    /// When the window began.
    #[n(0)]
    pub since: Timestamp,
    /// Mails in it.
    #[n(1)]
    pub count: u32,
}

/// A row of the accounts table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// Its id.
    #[n(0)]
    pub id: AccountId,
    /// Stable integer for clients that want one; counts from 1.
    #[n(1)]
    pub number: u64,
    /// Name as its owner wrote it (NFC).
    #[n(2)]
    pub username: String,
    /// Name as it is looked up: NFC, lower case.
    #[n(3)]
    pub username_key: String,
    /// Address as its owner wrote it.
    #[n(4)]
    pub email: String,
    /// Address as it is looked up: lower case.
    #[n(5)]
    pub email_key: String,
    /// Password hash (PHC string), sealed.
    #[n(6)]
    pub password: Sealed,
    /// May it log in?
    #[n(7)]
    pub status: AccountStatus,
    /// When it was made.
    #[n(8)]
    pub created_at: Timestamp,
    /// When its owner last changed something.
    #[n(9)]
    pub updated_at: Option<Timestamp>,
    /// Grows with every guess that was charged and every change of a credential: compare-and-swap for evaluated guesses.
    #[n(10)]
    pub auth_seq: u64,
    /// Consecutive failures to log in.
    #[n(11)]
    pub throttle: Throttle,
    /// What it may administer.
    #[cbor(n(12), skip_if = "is_default")]
    pub role: Role,
    /// When its owner proved the address; none while nobody did.
    #[n(13)]
    pub email_confirmed_at: Option<Timestamp>,
    /// Since when mailed codes are its second factor; none when its owner did not ask for that.
    #[n(14)]
    pub email_factor_since: Option<Timestamp>,
    /// Whether the password is long enough to be the only factor (PW-1).
    #[cbor(n(15), skip_if = "is_default")]
    pub password_alone: bool,
    /// The last session that was started.
    #[n(16)]
    pub last_login_at: Option<Timestamp>,
    /// Consecutive wrong mailed codes.
    #[cbor(n(17), skip_if = "is_default")]
    pub mailed_throttle: Throttle,
    /// Mail that it caused lately.
    #[cbor(n(18), skip_if = "is_default")]
    pub mails: MailWindow,
    /// When the password was changed or reset last: what was begun with the one before it is void.
    #[n(20)]
    pub password_changed_at: Option<Timestamp>,
    /// Language of its mails: the one that its owner used last.
    #[n(21)]
    pub language: Option<String>,
    /// The mailed token that resets the password; an earlier one is void.
    #[n(22)]
    pub reset_token: Option<Mac>,
    /// The mailed token that proves an address; an earlier one is void.
    #[n(23)]
    pub address_token: Option<Mac>,
    /// Reasons of a demand for a second factor that was not met yet: the next login is asked again.
    #[cbor(n(19), skip_if = "is_default")]
    pub unmet: Reasons,
    /// Whether it only holds a name: somebody signed up with an address that has an account, and must not see that. Nobody
    /// ever gets in, its address is not its own, and administrators do not see it.
    #[cbor(n(24), skip_if = "is_default")]
    pub reserved: bool,
}

impl Account {
    /// Whether it may log in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == AccountStatus::Active
    }

    /// Why it may not log in, if it may not.
    #[must_use]
    pub fn refusal(&self) -> Option<Denial> {
        match self.status {
            AccountStatus::Active if self.reserved => Some(Denial::InvalidCredentials {}),
            AccountStatus::Active => None,
            AccountStatus::Disabled => Some(Denial::AccountDisabled {}),
            AccountStatus::PendingApproval => Some(Denial::NotApproved {}),
            AccountStatus::Unconfirmed => Some(Denial::AddressUnconfirmed {}),
        }
    }

    /// Whether what was begun at `at` was begun with a password that was changed since.
    #[must_use]
    pub fn is_older_than_password(&self, at: Timestamp) -> bool {
        self.password_changed_at.is_some_and(|changed| at <= changed)
    }

    /// When it is nobody's any more, unless its address is proven or somebody lets it in before; none when it is somebody's.
    #[must_use]
    pub fn void_at(&self) -> Option<Timestamp> {
        let is_held = self.reserved || self.status == AccountStatus::Unconfirmed;
        is_held.then(|| self.created_at.plus_seconds(UNCONFIRMED_SECONDS))
    }

    /// Whether its owner proved the address.
    #[must_use]
    pub fn is_email_confirmed(&self) -> bool {
        self.email_confirmed_at.is_some()
    }
}
