//! Second factors: authenticator apps, mailed codes, recovery codes.

use super::LABEL;
use super::accounts::Confirmation;
use crate::body::Kind;
use crate::operation::{Access, Answer, Operation};
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Factors";

/// Lists factors.
pub const LIST: Operation = Operation::get("/v1/factors", "list_factors", GROUP, "The account's second factors.")
    .access(Access::Session)
    .answers(&[Answer::json::<Vec<Factor>>(200, "In the order of their making.")]);

/// Begins to bind an authenticator app.
pub const ADD_TOTP: Operation = Operation::post(
    "/v1/factors/totp",
    "enrol_totp",
    GROUP,
    "Begin to bind an authenticator app. The seed is shown once and waits ten minutes for its first code.",
)
.access(Access::Enrolment)
.body::<NewTotp>()
.answers(&[Answer::json::<PendingTotp>(201, "The seed, for the app.")])
.refuses(&[Code::InvalidCode, Code::Conflict]);

/// Confirms an authenticator app.
pub const CONFIRM: Operation = Operation::post(
    "/v1/factors/{id}/confirm",
    "confirm_factor",
    GROUP,
    "Confirm an authenticator app with a code that it shows. That code is used up.",
)
.access(Access::Enrolment)
.body::<Confirmation>()
.answers(&[Answer::empty(
    204,
    "The factor counts from now on, and the owner is told by mail.",
)])
.refuses(&[Code::InvalidCode]);

/// Removes a factor.
pub const REMOVE: Operation = Operation::delete(
    "/v1/factors/{id}",
    "remove_factor",
    GROUP,
    "Remove a factor. The owner is told by mail.",
)
.access(Access::StepUp)
.answers(&[Answer::empty(204, "The factor is gone.")])
.refuses(&[Code::Conflict]);

/// Switches mailed codes.
pub const EMAIL: Operation = Operation::put(
    "/v1/factors/email",
    "set_email_factor",
    GROUP,
    "Switch mailed codes as a second factor on or off. The address must be confirmed. They are a weak factor: sessions that \
     they open have `acr` `aal1`.",
)
.access(Access::StepUp)
.body::<EmailFactor>()
.answers(&[Answer::empty(204, "As asked.")])
.refuses(&[Code::AccountNotApproved, Code::Conflict]);

/// Makes recovery codes.
pub const RECOVERY: Operation = Operation::post(
    "/v1/recovery-codes",
    "make_recovery_codes",
    GROUP,
    "Make ten recovery codes. Each works once; older ones are void. They are shown now and never again.",
)
.access(Access::StepUp)
.answers(&[Answer::json::<RecoveryCodes>(201, "The codes.")])
.refuses(&[Code::Conflict]);

bodies! {
    /// Body of [`ADD_TOTP`].
    strict NewTotp {
        /// What the owner calls the app.
        label: String = LABEL,
    }
    /// Body of [`EMAIL`].
    strict EmailFactor {
        /// Whether mailed codes count.
        enabled: bool = Kind::Flag,
    }
}

/// A factor as its owner sees it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Factor {
    /// Its id.
    pub id: String,
    /// `totp`, `email` or `recovery_code`.
    pub kind: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When a code of it was last accepted, RFC 3339.
    pub last_used_at: Option<String>,
    /// Whether it counts.
    pub confirmed: bool,
    /// Whether it was disabled by too many wrong codes and must be bound anew.
    pub disabled: bool,
    /// Recovery codes that were not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

/// Answer of [`ADD_TOTP`].
#[derive(Serialize, Deserialize, ToSchema)]
pub struct PendingTotp {
    /// Id of the factor, to confirm it.
    pub id: String,
    /// Seed in base32 without padding.
    pub secret: String,
    /// `otpauth://totp/...` as authenticator apps read it.
    pub otpauth_uri: String,
    /// The same as a QR code.
    pub qr_svg: String,
    /// When it is void, RFC 3339.
    pub expires_at: String,
}

/// Answer of [`RECOVERY`].
#[derive(Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes of 25 characters in groups of five.
    pub codes: Vec<String>,
}
