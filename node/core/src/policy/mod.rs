//! Decisions that are functions of replicated rows: how fast one may guess, when a second factor is demanded, and the
//! rules that administrators set.

pub mod hours;
pub mod network;
pub mod risk;
pub mod throttle;

use hours::BusinessHours;
use minicbor::{Decode, Encode};

/// The rules of the cluster, as administrators set them. Kept in the meta table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Policy {
    /// Grows with every change; 0 is the built-in one.
    #[n(0)]
    pub version: u64,
    /// Who may register.
    #[n(1)]
    pub registration: RegistrationPolicy,
    /// When a second factor is demanded of an account that has none of its own.
    #[n(2)]
    pub risk: RiskPolicy,
    /// Whether a mailed code may answer a login of an administrator (OTP-12). Off by default.
    #[n(3)]
    pub admin_mailed_codes: bool,
    /// Whether a device that its owner had remembered stands for the account's own second factor. Off by default.
    #[n(4)]
    pub remembered_device_suffices: bool,
}

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RegistrationPolicy {
    /// Whether nobody may.
    #[n(0)]
    pub closed: bool,
    /// Whether an administrator must approve each account.
    #[n(1)]
    pub approval: bool,
    /// Whether the address must be proven before the first login.
    #[n(2)]
    pub confirm_email: bool,
}

/// Whether demands of the risk rules are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RiskMode {
    /// They are made.
    #[default]
    #[n(0)]
    Enforced,
    /// They are only recorded in the audit.
    #[n(1)]
    Shadow,
    /// They are not computed.
    #[n(2)]
    Off,
}

/// When a second factor is demanded (seed 004).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RiskPolicy {
    /// Whether the demands are made.
    #[n(0)]
    pub mode: RiskMode,
    /// From a network that the account never logged in from, once it did from another.
    #[n(1)]
    pub new_network: bool,
    /// On a device that is not known, once another is.
    #[n(2)]
    pub new_device: bool,
    /// After so many days without a login.
    #[n(3)]
    pub dormant_days: Option<u16>,
    /// Outside of these hours.
    #[n(4)]
    pub hours: Option<BusinessHours>,
    /// Of so many of ten thousand logins, chosen by a keyed hash of account, device and day.
    #[n(5)]
    pub share_permyriad: u16,
}

impl Default for RiskPolicy {
    fn default() -> Self {
        Self {
            mode: RiskMode::Enforced,
            new_network: true,
            new_device: true,
            dormant_days: Some(30),
            hours: None,
            share_permyriad: 1_000,
        }
    }
}

impl Policy {
    /// Whether it may be stored.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.risk.share_permyriad <= risk::SHARE_ALL && self.risk.hours.as_ref().is_none_or(BusinessHours::is_valid)
    }
}
