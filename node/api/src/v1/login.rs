//! Logging in: password, then the second factor.

use super::{CODE, IDENTIFIER, METHOD, PASSWORD, TOKEN};
use crate::body::Kind;
use crate::operation::{Answer, Operation, Typed};
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Login";

/// Begins or completes a login.
pub const LOGIN: Operation = Operation::post(
    "/v1/login",
    "start_login",
    GROUP,
    "Log in with a password, and with a code if one is at hand. Tokens when both are right or the policy demands no code; \
     else a challenge.",
)
.body::<Login>()
.answers(&[Answer::one_of(
    200,
    "Tokens, or a challenge for the second factor.",
    &[Typed::of::<LoginComplete>(), Typed::of::<SecondFactorRequired>()],
)])
.refuses(&[Code::InvalidCredentials, Code::InvalidCode, Code::AccountNotApproved, Code::AccountDisabled, Code::EnrolmentRequired]);

/// Sends a code for a challenge.
pub const SEND_CODE: Operation = Operation::post(
    "/v1/login/challenges/{id}/email",
    "send_login_code",
    GROUP,
    "Send a code for the challenge by mail, or send another one: five in ten minutes. A new code does not refill the guesses.",
)
.answers(&[Answer::empty(202, "A code is on its way.")])
.refuses(&[Code::InvalidCode, Code::AccountNotApproved, Code::AccountDisabled]);

/// Answers a challenge.
pub const VERIFY: Operation = Operation::post(
    "/v1/login/challenges/{id}/verify",
    "verify_factor",
    GROUP,
    "Answer the challenge with a code. It takes five answers and lives five minutes.",
)
.body::<Verify>()
.answers(&[Answer::json::<LoginComplete>(200, "Tokens.")])
.refuses(&[Code::InvalidCode, Code::AccountNotApproved, Code::AccountDisabled]);

bodies! {
    /// Body of [`LOGIN`].
    strict Login {
        /// User name or mail address.
        identifier: String = IDENTIFIER,
        /// Password.
        password: String = PASSWORD,
        /// Second factor that the code is of; `totp` when it is left out.
        method: Option<String> = METHOD,
        /// A code, to do both steps at once.
        code: Option<String> = CODE,
        /// Token of a remembered device; browsers have it in a cookie.
        device_token: Option<String> = TOKEN,
    }
    /// Body of [`VERIFY`].
    strict Verify {
        /// Second factor that the code is of.
        method: String = METHOD,
        /// The code.
        code: String = CODE,
        /// Remember this device, so that the risk policy knows it.
        remember_device: Option<bool> = Kind::Flag,
    }
}

/// Both factors were right, or one was enough.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginComplete {
    /// `complete`.
    pub status: String,
    /// Access token; browsers get it in a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Refresh token; browsers get it in a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// `Bearer`.
    pub token_type: String,
    /// End of the access token, RFC 3339.
    pub expires_at: String,
    /// The session.
    pub session_id: String,
    /// Token of the device, when it was asked to be remembered; browsers get it in a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
}

/// The password was right, a code is awaited.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorRequired {
    /// `second_factor_required`.
    pub status: String,
    /// The challenge. Whoever has it may answer it: treat it like a password.
    pub challenge_id: String,
    /// Second factors that it takes: `totp`, `email`, `recovery_code`.
    pub methods: Vec<String>,
    /// Why a code is demanded: `factor_bound`, `short_password`, `admin`, `new_address`,
    /// `new_device`, `dormant`, `outside_hours`, `random_check`, `unmet_demand`, `always`.
    pub reasons: Vec<String>,
    /// When it is void, RFC 3339.
    pub expires_at: String,
}
