//! Login challenges: the password was right, the second factor is awaited.

use crate::ids::{AccountId, ChallengeId};
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
}
