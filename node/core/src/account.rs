//! Accounts.

use crate::ids::AccountId;
use crate::policy::throttle::Throttle;
use crate::secret::Sealed;
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
}
