//! The policy: who may register, and when a code is demanded. Replicated and versioned.

use crate::body::Kind;
use crate::operation::{Access, Answer, Operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Administration";

/// Reads the policy.
pub const READ: Operation = Operation::get(
    "/v1/admin/policy",
    "read_policy",
    GROUP,
    "The policy. `ETag` names its version.",
)
.access(Access::Admin)
.answers(&[Answer::json::<Policy>(200, "The policy.")]);

/// Replaces the policy.
pub const CHANGE: Operation = Operation::put(
    "/v1/admin/policy",
    "set_policy",
    GROUP,
    "Replace the policy. `If-Match` names the version that is replaced.",
)
.access(Access::AdminStepUp)
.if_match()
.body::<NewPolicy>()
.answers(&[Answer::json::<Policy>(200, "The policy as it is now.")]);

/// Tries a policy out.
pub const DRY_RUN: Operation = Operation::post(
    "/v1/admin/policy/dry-run",
    "dry_run_policy",
    GROUP,
    "Judge the newest logins of the audit by a policy, without changing anything.",
)
.access(Access::Admin)
.body::<NewPolicy>()
.answers(&[Answer::json::<DryRun>(
    200,
    "How often each rule would have demanded a code.",
)]);

const MINUTE: Kind = Kind::Count { min: 0, max: 1440 };
const MODE: Kind = Kind::OneOf(&["enforced", "shadow", "off"]);

bodies! {
    /// Business hours.
    strict Hours {
        /// Time zone by its IANA name, e.g. `America/Sao_Paulo`.
        zone: String = Kind::Text { min: 1, max: 64 },
        /// Days of the week, 1 (Monday) to 7.
        weekdays: Vec<u64> = Kind::Counts { min: 1, max: 7, items_max: 7 },
        /// First minute of the day that belongs to them.
        from_minute: u64 = MINUTE,
        /// First minute that does not any more; 1440 is midnight.
        to_minute: u64 = MINUTE,
    }
    /// Body of [`CHANGE`] and [`DRY_RUN`].
    strict NewPolicy {
        /// Nobody may register.
        registration_closed: bool = Kind::Flag,
        /// An administrator must approve new accounts.
        registration_approval: bool = Kind::Flag,
        /// The address must be proven before the first login.
        registration_confirm_email: bool = Kind::Flag,
        /// Mailed codes count for administrators.
        admin_mailed_codes: bool = Kind::Flag,
        /// A device that its owner had remembered stands for the account's own second factor.
        remembered_device_suffices: bool = Kind::Flag,
        /// `shadow` only records what the rules would have demanded.
        risk_mode: String = MODE,
        /// Demand a code from an address that the account never logged in from.
        risk_new_address: bool = Kind::Flag,
        /// Demand a code on a device that is not known.
        risk_new_device: bool = Kind::Flag,
        /// Demand a code after so many days without a login; null never.
        risk_dormant_days: Option<u64> = Kind::Count { min: 1, max: 3650 },
        /// Demand a code outside of these hours; null never.
        risk_hours: Option<Hours> = Kind::Object(<Hours as crate::body::Body>::FIELDS),
        /// Demand a code of so many of ten thousand logins.
        risk_share_permyriad: u64 = Kind::Count { min: 0, max: 10_000 },
    }
}

/// Business hours as they are kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyHours {
    /// Time zone by its IANA name.
    pub zone: String,
    /// Days of the week, 1 (Monday) to 7.
    pub weekdays: Vec<u64>,
    /// First minute of the day that belongs to them.
    pub from_minute: u64,
    /// First minute that does not any more.
    pub to_minute: u64,
}

/// The policy as it is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Its version, as in `ETag`; 0 is the built-in one.
    pub version: u64,
    /// Nobody may register.
    pub registration_closed: bool,
    /// An administrator must approve new accounts.
    pub registration_approval: bool,
    /// The address must be proven before the first login.
    pub registration_confirm_email: bool,
    /// Mailed codes count for administrators.
    pub admin_mailed_codes: bool,
    /// A remembered device stands for the account's own second factor.
    pub remembered_device_suffices: bool,
    /// `enforced`, `shadow` or `off`. Administrators are asked in every mode.
    pub risk_mode: String,
    /// Demand a code from an address that the account never logged in from.
    pub risk_new_address: bool,
    /// Demand a code on a device that is not known.
    pub risk_new_device: bool,
    /// Demand a code after so many days without a login.
    pub risk_dormant_days: Option<u64>,
    /// Demand a code outside of these hours.
    pub risk_hours: Option<PolicyHours>,
    /// Demand a code of so many of ten thousand logins.
    pub risk_share_permyriad: u64,
}

/// What a policy would have done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// Logins that were judged.
    pub logins: u64,
    /// Those of them that would have been asked for a code.
    pub demanded: u64,
    /// By reason.
    pub reasons: Vec<ReasonCount>,
}

/// How often a rule would have demanded a code.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason.
    pub reason: String,
    /// Logins.
    pub logins: u64,
}
