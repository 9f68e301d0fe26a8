//! Second factors. Only TOTP so far; its seed is sealed, so the core sees time steps and never digits.

use crate::ids::{AccountId, FactorId};
use crate::policy::throttle::Throttle;
use crate::secret::Sealed;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Whether a factor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum FactorState {
    /// Shown to its owner, not yet proven. Void after `expires_at`.
    #[n(0)]
    Pending {
        /// End of the time to confirm it.
        #[n(0)]
        expires_at: Timestamp,
    },
    /// Proven with a code.
    #[n(1)]
    Confirmed {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// Too many consecutive failures (TH-1): must be bound anew.
    #[n(2)]
    Disabled {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
}

/// A row of the factors table: a TOTP seed and what was used of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Factor {
    /// Its id.
    #[n(0)]
    pub id: FactorId,
    /// Whose it is.
    #[n(1)]
    pub account: AccountId,
    /// What its owner calls it.
    #[n(2)]
    pub label: String,
    /// The seed, sealed.
    #[n(3)]
    pub seed: Sealed,
    /// Whether it counts.
    #[n(4)]
    pub state: FactorState,
    /// The last time step that was accepted; only a greater one ever is (OTP-3).
    #[n(5)]
    pub last_step: Option<u64>,
    /// Consecutive failures.
    #[n(6)]
    pub throttle: Throttle,
    /// When it was made.
    #[n(7)]
    pub created_at: Timestamp,
}

impl Factor {
    /// Whether an answer to this factor may be evaluated at `now`.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        match self.state {
            FactorState::Pending { expires_at } => now < expires_at,
            FactorState::Confirmed { .. } => true,
            FactorState::Disabled { .. } => false,
        }
    }

    /// Whether the account is bound to this factor. A disabled factor still is: otherwise guessing would unbind it.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        match self.state {
            FactorState::Pending { .. } => false,
            FactorState::Confirmed { .. } | FactorState::Disabled { .. } => true,
        }
    }
}
