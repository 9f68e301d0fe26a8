//! The TOTP and RS256 dialect, `/api/v1`: literal paths, fields and messages.

use serde::{Deserialize, Serialize};

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

/// Body of [`USER`].
#[derive(Deserialize)]
pub struct CreateUser {
    /// Name to log in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Password.
    pub password1: String,
    /// The same password again.
    pub password2: String,
}

/// Answer of [`USER`], status 201.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Body of [`QRCODE`].
#[derive(Deserialize)]
pub struct QrCode {
    /// Name to log in with.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Answer of [`QRCODE`] to a client that accepts JSON only.
#[derive(Serialize, Deserialize)]
pub struct QrCodeJson {
    /// `otpauth://totp/...` as authenticator apps read it.
    pub otpauth_uri: String,
    /// Seed in base32 without padding.
    pub secret: String,
}

/// Answer of [`USER_BY_NAME`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Body of [`LOGIN`].
#[derive(Deserialize)]
pub struct Login {
    /// Name to log in with.
    pub username: String,
    /// Password.
    pub password: String,
    /// Digits that the authenticator app shows.
    pub security_code: String,
}

/// Answer of [`LOGIN`], and of [`REFRESH`] (which adds the rotated refresh token to the dialect's two fields).
#[derive(Serialize, Deserialize)]
pub struct Tokens {
    /// RS256 access token.
    pub access_token: String,
    /// RS256 refresh token.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: String,
}

/// Answer of [`USER_INFO`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What was wrong, in a sentence.
    pub detail: String,
}
