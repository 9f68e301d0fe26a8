//! The mailed code dialect, `/auth` and `/users`: literal paths, fields and messages. Its clients write paths with a
//! trailing slash; both forms answer.

use crate::body::Kind;
use crate::operation::{Access, Answer, Operation, Typed};
use crate::problem::Code;
use crate::v1::{CODE, EMAIL, IDENTIFIER, PASSWORD, TOKEN};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Dialect: mailed code";

/// Begins or completes a login.
pub const LOGIN: Operation = Operation::post("/auth/login", "dialect_002_login", GROUP, "Log in with a password.")
    .body::<Login>()
    .answers(&[Answer::one_of(
        200,
        "Tokens, or word that a code is on its way.",
        &[Typed::of::<LoggedIn>(), Typed::of::<CodeSent>()],
    )])
    .refuses(&[Code::InvalidCredentials, Code::InvalidCode, Code::AccountNotApproved]);

/// Answers a challenge.
pub const VALIDATE: Operation = Operation::post(
    "/auth/validate-2fa",
    "dialect_002_validate",
    GROUP,
    "Complete the login with the mailed code.",
)
.body::<Validate>()
.answers(&[Answer::json::<LoggedIn>(200, "Tokens.")])
.refuses(&[Code::InvalidCode]);

/// Switches the mailed code.
pub const UPDATE_PROFILE: Operation = Operation::put(
    "/users/update-profile",
    "dialect_002_update_profile",
    GROUP,
    "Switch the mailed code on or off. A new address is mailed a code and must be confirmed (`POST \
     /v1/account/email/confirm`); until then nothing changes, and the answer is 400.",
)
.access(Access::Session)
.body::<UpdateProfile>()
.answers(&[Answer::json::<Message>(200, "As asked.")])
.refuses(&[Code::StepUpRequired, Code::Conflict]);

/// Ends a session.
pub const LOGOUT: Operation = Operation::post(
    "/auth/logout",
    "dialect_002_logout",
    GROUP,
    "End the session of a refresh token.",
)
.body::<Logout>()
.answers(&[Answer::json::<Message>(200, "The session is over.")])
.refuses(&[Code::Unauthenticated, Code::SessionRevoked]);

/// What is said when a code is on its way.
pub const CODE_SENT: &str = "A 2FA code has been sent to your email.";
/// What is said when nothing was mailed: the account has an authenticator app, or recovery codes only. The dialect's guide
/// knows codes by mail only, so it has no words for it.
pub const CODE_OF_APP: &str = "A 2FA code is required. Use the code that your authenticator app shows.";
/// Mailed codes count from now on.
pub const ENABLED: &str = "2FA has been enabled successfully.";
/// Mailed codes do not count from now on.
pub const DISABLED: &str = "2FA has been disabled successfully.";
/// The session is over.
pub const LOGGED_OUT: &str = "Logged out successfully";
/// Wrong name or password.
pub const INVALID_CREDENTIALS: &str = "Invalid credentials";
/// Wrong code, or none is awaited.
pub const INVALID_CODE: &str = "Invalid or expired 2FA code.";
/// The profile stays as it is.
pub const UPDATE_FAILED: &str = "Failed to update profile.";
/// The account has no address that a code could be sent to.
pub const NO_EMAIL: &str = "No email found in the 'twofa_data'";
/// The code could not be made.
pub const GENERATE_FAILED: &str = "Failed to generate 2FA code. Please try again later.";
/// The code could not be stored.
pub const STORE_FAILED: &str = "Failed to store 2FA code. Please try again later.";
/// The code could not be sent.
pub const SEND_FAILED: &str = "Failed to send 2FA code. Please try again later.";

bodies! {
    /// Body of [`LOGIN`].
    lenient Login as "Dialect002Login" {
        /// User name.
        username: String = IDENTIFIER,
        /// Password.
        password: String = PASSWORD,
    }
    /// Body of [`VALIDATE`].
    lenient Validate as "Dialect002Validate" {
        /// User name.
        username: String = IDENTIFIER,
        /// The mailed code.
        code: String = CODE,
        /// The challenge, for clients without cookies.
        challenge_id: Option<String> = TOKEN,
    }
    /// Body of [`UPDATE_PROFILE`].
    lenient UpdateProfile as "Dialect002UpdateProfile" {
        /// Whether a mailed code is demanded.
        twofa_enabled: bool = Kind::Flag,
        /// The account's address.
        email: Option<String> = EMAIL,
    }
    /// Body of [`LOGOUT`].
    lenient Logout as "Dialect002Logout" {
        /// Refresh token.
        refresh_token: String = TOKEN,
    }
}

/// Tokens of the dialect.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect002LoggedIn)]
pub struct LoggedIn {
    /// Refresh token.
    pub refresh: String,
    /// Access token.
    pub access: String,
    /// The account as a whole number.
    pub user_id: u64,
    /// The account's name.
    pub nickname: String,
}

/// A code is on its way.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect002CodeSent)]
pub struct CodeSent {
    /// `true`.
    pub two_fa_required: bool,
    /// [`CODE_SENT`], or [`CODE_OF_APP`] when no code was sent.
    pub message: String,
    /// The challenge, for clients without cookies.
    pub challenge_id: String,
}

/// It went well.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect002Message)]
pub struct Message {
    /// In a sentence.
    pub message: String,
}

/// Every error of the dialect.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect002Error)]
pub struct ErrorBody {
    /// What was wrong, in a sentence.
    pub error: String,
}
