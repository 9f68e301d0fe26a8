//! Second factors. The seed of a TOTP factor is sealed, so the core sees time steps and never digits; mailed codes and
//! recovery codes are seen as hashes.

use crate::ids::{AccountId, FactorId};
use crate::policy::throttle::Throttle;
use crate::secret::{Mac, Sealed};
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
    /// When a code of it was last right.
    #[n(8)]
    pub last_used_at: Option<Timestamp>,
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

/// Ways to prove who one is, as a set. The numbers are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Methods(pub u8);

impl Methods {
    /// None.
    pub const NONE: Self = Self(0);
    /// The password (`pwd`).
    pub const PASSWORD: Self = Self(1);
    /// A code of an authenticator app (`otp`).
    pub const TOTP: Self = Self(2);
    /// A mailed code (`email`).
    pub const EMAIL: Self = Self(4);
    /// A recovery code (`rc`).
    pub const RECOVERY: Self = Self(8);
    /// A key of a device (`hwk`).
    pub const KEY: Self = Self(16);

    /// Whether all of `other` are in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `other` added when `condition` holds.
    #[must_use]
    pub fn and_if(self, condition: bool, other: Self) -> Self {
        if condition { self.and(other) } else { self }
    }

    /// Those that are in both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether they are two factors (`aal2`). A mailed code never is one (OTP-12).
    #[must_use]
    pub fn is_aal2(self) -> bool {
        let strong = Self::TOTP.0 | Self::RECOVERY.0 | Self::KEY.0;
        self.has(Self::PASSWORD) && self.0 & strong != 0
    }

    /// Names as in `amr`, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = [
            (Self::PASSWORD, "pwd"),
            (Self::TOTP, "otp"),
            (Self::EMAIL, "email"),
            (Self::RECOVERY, "rc"),
            (Self::KEY, "hwk"),
        ];
        names
            .into_iter()
            .filter(move |(one, _)| self.has(*one))
            .map(|(_, name)| name)
    }
}

/// A row of the recovery codes table: one set for each account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RecoveryCodes {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// When the set was made.
    #[n(1)]
    pub created_at: Timestamp,
    /// Each code; used ones stay, so that a second use can be told from a wrong guess.
    #[n(2)]
    pub codes: Vec<RecoveryCode>,
    /// Consecutive wrong guesses.
    #[n(3)]
    pub throttle: Throttle,
}

/// One recovery code (RC-1, RC-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RecoveryCode {
    /// Its hash.
    #[n(0)]
    pub hash: Mac,
    /// When it was used.
    #[n(1)]
    pub used_at: Option<Timestamp>,
}

impl RecoveryCodes {
    /// Codes that were not used.
    #[must_use]
    pub fn left(&self) -> u32 {
        let unused = self.codes.iter().filter(|code| code.used_at.is_none()).count();
        u32::try_from(unused).unwrap_or(u32::MAX)
    }
}
