//! The TOTP and RS256 dialect, `/api/v1`: literal paths, fields and messages.

use crate::operation::{Access, Answer, Operation};
use crate::problem::Code;
use crate::v1::{CODE, EMAIL, IDENTIFIER, PASSWORD, USERNAME};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Dialect: TOTP";

/// `POST`: create an account.
pub const USER: &str = "/api/v1/user";
/// `GET`: what anyone may see of an account.
pub const USER_BY_NAME: &str = "/api/v1/user/{username}";
/// `POST`: begin enrolment of a TOTP factor and get its QR code.
pub const QRCODE: &str = "/api/v1/auth-totp/qrcode";
/// `POST`: password and code for tokens.
pub const LOGIN: &str = "/api/v1/auth-jwt/login";
/// `GET`: the account of the access token.
pub const USER_INFO: &str = "/api/v1/auth-jwt/user-info";
/// `POST`: a new access token for a refresh token.
pub const REFRESH: &str = "/api/v1/auth-jwt/refresh";

/// Cookie of the access token where legacy names are switched on.
pub const LEGACY_ACCESS_COOKIE: &str = "access_token";
/// Cookie of the refresh token where legacy names are switched on.
pub const LEGACY_REFRESH_COOKIE: &str = "refresh_token";

/// [`USER`].
pub const CREATE_USER: Operation = Operation::post(USER, "dialect_003_create_user", GROUP, "Make an account.")
    .body::<CreateUser>()
    .answers(&[Answer::json::<CreatedUser>(201, "The account exists.")])
    .refuses(&[Code::Forbidden, Code::Conflict]);
/// [`USER_BY_NAME`].
pub const PUBLIC_USER: Operation = Operation::get(
    USER_BY_NAME,
    "dialect_003_public_user",
    GROUP,
    "What anyone may see of an account; where profiles are not public, what the bearer of a session may.",
)
.answers(&[Answer::json::<PublicUser>(200, "The account.")]);
/// [`QRCODE`].
pub const ENROL: Operation = Operation::post(
    QRCODE,
    "dialect_003_enrol",
    GROUP,
    "Begin to bind an authenticator app, while none is bound.",
)
.body::<QrCode>()
.answers(&[Answer::media(
    201,
    "The QR code, in the form that `Accept` prefers.",
    &["image/png", "image/svg+xml", "application/json"],
)])
.refuses(&[
    Code::InvalidCredentials,
    Code::Forbidden,
    Code::AccountNotApproved,
    Code::Conflict,
]);
/// [`LOGIN`].
pub const LOG_IN: Operation = Operation::post(
    LOGIN,
    "log_in",
    GROUP,
    "Log in with password and code at once. The first code of a pending app confirms it.",
)
.body::<Login>()
.answers(&[Answer::json::<Tokens>(200, "Tokens, in body and cookies.")])
.refuses(&[
    Code::InvalidCredentials,
    Code::AccountNotApproved,
    Code::EnrolmentRequired,
]);
/// [`USER_INFO`].
pub const OWN_USER: Operation = Operation::get(
    USER_INFO,
    "dialect_003_user_info",
    GROUP,
    "The account of the access token.",
)
.access(Access::Session)
.answers(&[Answer::json::<UserInfo>(200, "The account.")]);
/// [`REFRESH`].
pub const REFRESH_TOKENS: Operation = Operation::post(
    REFRESH,
    "dialect_003_refresh",
    GROUP,
    "The next pair of tokens, for a refresh token in the header or the cookie.",
)
.answers(&[Answer::json::<Tokens>(200, "Tokens, in body and cookies.")])
.refuses(&[Code::Unauthenticated, Code::SessionRevoked]);

bodies! {
    /// Body of [`USER`].
    lenient CreateUser as "Dialect003CreateUser" {
        /// Name to log in with.
        username: String = USERNAME,
        /// Mail address.
        email: String = EMAIL,
        /// Password.
        password1: String = PASSWORD,
        /// The same password again.
        password2: String = PASSWORD,
    }
    /// Body of [`QRCODE`].
    lenient QrCode as "Dialect003QrCode" {
        /// Name to log in with.
        username: String = IDENTIFIER,
        /// Password.
        password: String = PASSWORD,
    }
    /// Body of [`LOGIN`].
    lenient Login as "Dialect003Login" {
        /// Name to log in with.
        username: String = IDENTIFIER,
        /// Password.
        password: String = PASSWORD,
        /// Digits that the authenticator app shows.
        security_code: String = CODE,
    }
}

/// Answer of [`USER`], status 201.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003CreatedUser)]
pub struct CreatedUser {
    /// RFC 3339 with microseconds, UTC.
    pub created_at: String,
    /// Name to log in with.
    pub username: String,
    /// Whether the account may log in.
    pub is_active: bool,
    /// Mail address.
    pub email: String,
    /// Id of the account.
    pub uuid: String,
}

/// Answer of [`QRCODE`] to a client that accepts JSON only.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003QrCodeJson)]
pub struct QrCodeJson {
    /// `otpauth://totp/...` as authenticator apps read it.
    pub otpauth_uri: String,
    /// Seed in base32 without padding.
    pub secret: String,
}

/// Answer of [`USER_BY_NAME`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003PublicUser)]
pub struct PublicUser {
    /// RFC 3339 with microseconds, UTC.
    pub created_at: String,
    /// RFC 3339 with microseconds, UTC; null until something changed.
    pub updated_at: Option<String>,
    /// Name to log in with.
    pub username: String,
    /// Whether the account may log in.
    pub is_active: bool,
}

/// Answer of [`LOGIN`], and of [`REFRESH`] (which adds the rotated refresh token to the dialect's two fields).
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003Tokens)]
pub struct Tokens {
    /// RS256 access token.
    pub access_token: String,
    /// RS256 refresh token.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: String,
}

/// Answer of [`USER_INFO`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003UserInfo)]
pub struct UserInfo {
    /// RFC 3339 with microseconds, UTC.
    pub created_at: String,
    /// RFC 3339 with microseconds, UTC; null until something changed.
    pub updated_at: Option<String>,
    /// Name to log in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Whether the account may log in.
    pub is_active: bool,
    /// Id of the account.
    pub uuid: String,
}

/// Every error of the dialect.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect003ErrorBody)]
pub struct ErrorBody {
    /// What was wrong, in a sentence.
    pub detail: String,
}
