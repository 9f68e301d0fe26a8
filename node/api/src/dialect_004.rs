//! The conditional OTP dialect, `/api/auth`: literal paths, fields and messages, in Portuguese.

use crate::operation::{Answer, Operation};
use crate::v1::{CODE, IDENTIFIER, PASSWORD, TOKEN};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Dialect: conditional OTP";

/// Begins or completes a login.
pub const LOGIN: Operation = Operation::post("/api/auth/login", "dialect_004_login", GROUP, "Log in with a password.")
    .body::<Login>()
    .answers(&[
        Answer::json::<LoggedIn>(200, "Access token in the body, refresh token in a cookie."),
        Answer::json::<Envelope>(428, "A code was sent and must be given."),
    ])
    .refuses(&[401, 403]);

/// Answers a challenge.
pub const VERIFY: Operation = Operation::post(
    "/api/auth/verify-otp",
    "dialect_004_verify",
    GROUP,
    "Complete the login with the mailed code.",
)
.body::<VerifyOtp>()
.answers(&[Answer::json::<LoggedIn>(
    200,
    "Access token in the body, refresh token in a cookie.",
)])
.refuses(&[401, 403]);

/// Rotates the tokens.
pub const REFRESH: Operation = Operation::post(
    "/api/auth/refresh",
    "dialect_004_refresh",
    GROUP,
    "The next pair of tokens, for the refresh token of the cookie.",
)
.answers(&[Answer::json::<LoggedIn>(
    200,
    "Access token in the body, refresh token in a cookie.",
)])
.refuses(&[401]);

/// Ends the session.
pub const LOGOUT: Operation = Operation::post(
    "/api/auth/logout",
    "dialect_004_logout",
    GROUP,
    "End the session of the refresh token of the cookie.",
)
.answers(&[Answer::empty(204, "The session is over.")])
.refuses(&[401]);

/// A code is demanded.
pub const OTP_REQUIRED: &str = "Verificação OTP necessária. Um código foi enviado para seu e-mail.";
/// A wrong code, or none is awaited.
pub const INVALID_OTP: &str = "Código OTP inválido ou expirado.";

bodies! {
    /// Body of [`LOGIN`].
    lenient Login as "Dialect004Login" {
        /// Mail address (a user name counts, too).
        email: String = IDENTIFIER,
        /// Password.
        password: String = PASSWORD,
    }
    /// Body of [`VERIFY`].
    lenient VerifyOtp as "Dialect004VerifyOtp" {
        /// Mail address.
        email: String = IDENTIFIER,
        /// The mailed code.
        otp_code as "otpCode": String = CODE,
        /// The challenge, for clients without cookies.
        challenge_id as "challengeId": Option<String> = TOKEN,
    }
}

/// Tokens of the dialect.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect004LoggedIn)]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// Access token.
    pub access_token: String,
    /// Its end, RFC 3339.
    pub expires_at: String,
}

/// Every error of the dialect.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect004Envelope)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// `false`.
    pub is_success: bool,
    /// What went wrong.
    pub error: ErrorBody,
}

/// The error in an envelope.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect004Error)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For programs, e.g. `auth.otp_required`.
    pub code: String,
    /// For people, in Portuguese.
    pub message: String,
    /// `Validation`, `Unauthorized`, `Forbidden`, `NotFound`, `Conflict` or `Failure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status_code: u16,
    /// More, with `auth.otp_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<OtpDetails>,
}

/// What a client needs to answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dialect004OtpDetails)]
#[serde(rename_all = "camelCase")]
pub struct OtpDetails {
    /// `true`.
    pub requires_otp: bool,
    /// The address as the client wrote it.
    pub email: String,
    /// The challenge, for clients without cookies.
    pub challenge_id: String,
}

impl Envelope {
    /// An error of the dialect; its kind follows from the status.
    #[must_use]
    pub fn new(code: &str, status: u16, message: &str) -> Self {
        let kind = match status {
            400 | 413 | 415 | 422 | 428 => "Validation",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 | 405 => "NotFound",
            409 => "Conflict",
            _ => "Failure",
        };
        Self {
            is_success: false,
            error: ErrorBody {
                code: code.to_owned(),
                message: message.to_owned(),
                kind: kind.to_owned(),
                status_code: status,
                details: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_literal() {
        let mut required = Envelope::new("auth.otp_required", 428, OTP_REQUIRED);
        required.error.details = Some(OtpDetails {
            requires_otp: true,
            email: "admin@example.com".into(),
            challenge_id: "x".into(),
        });
        let expected = serde_json::json!({
            "isSuccess": false,
            "error": {
                "code": "auth.otp_required",
                "message": "Verificação OTP necessária. Um código foi enviado para seu e-mail.",
                "type": "Validation", "statusCode": 428,
                "details": {"requiresOtp": true, "email": "admin@example.com", "challengeId": "x"}
            }
        });
        assert_eq!(serde_json::to_value(required).unwrap(), expected);
        let invalid = Envelope::new("auth.unauthorized", 401, INVALID_OTP);
        let expected = serde_json::json!({
            "isSuccess": false,
            "error": {
                "code": "auth.unauthorized", "message": "Código OTP inválido ou expirado.",
                "type": "Unauthorized", "statusCode": 401
            }
        });
        assert_eq!(serde_json::to_value(invalid).unwrap(), expected);
    }
}
