//! The conditional OTP dialect, `/api/auth`: literal paths, fields and messages, in Portuguese.

use crate::operation::{Answer, Operation};
use crate::problem::Code;
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
    .refuses(&[
        Code::InvalidCredentials,
        Code::InvalidCode,
        Code::AccountNotApproved,
        Code::AccountDisabled,
        Code::EnrolmentRequired,
    ]);

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
.refuses(&[Code::InvalidCode, Code::AccountNotApproved, Code::AccountDisabled]);

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
.refuses(&[Code::Unauthenticated, Code::SessionRevoked]);

/// Ends the session.
pub const LOGOUT: Operation = Operation::post(
    "/api/auth/logout",
    "dialect_004_logout",
    GROUP,
    "End the session of the refresh token of the cookie.",
)
.answers(&[Answer::empty(204, "The session is over.")])
.refuses(&[Code::Unauthenticated, Code::SessionRevoked]);

/// A code is demanded.
pub const OTP_REQUIRED: &str = "Verificação OTP necessária. Um código foi enviado para seu e-mail.";
/// A code is demanded that nobody sends: the account has an authenticator app, or its recovery codes.
pub const OTP_OF_APP_REQUIRED: &str = "Verificação OTP necessária. Use o código do seu aplicativo autenticador.";
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

/// Code and message of the dialect for a code of ours; load balancers use the same words.
#[must_use]
pub fn words(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::InvalidRequest | Code::UriTooLong => ("auth.invalid_request", "Dados de entrada inválidos."),
        Code::InvalidCredentials => ("auth.unauthorized", "E-mail ou senha inválidos."),
        Code::InvalidCode => ("auth.unauthorized", INVALID_OTP),
        Code::Unauthenticated | Code::SessionRevoked => ("auth.unauthorized", "Sessão inválida ou expirada."),
        Code::StepUpRequired => ("auth.step_up_required", "Confirme novamente sua identidade."),
        Code::AccountNotApproved => ("auth.account_not_approved", "Conta ainda não aprovada."),
        Code::AccountDisabled => ("auth.account_disabled", "Conta desativada."),
        Code::Forbidden => ("auth.forbidden", "Acesso negado."),
        Code::EnrolmentRequired => (
            "auth.enrolment_required",
            "É necessário cadastrar um segundo fator de autenticação.",
        ),
        Code::NotFound => ("auth.not_found", "Não encontrado."),
        Code::MethodNotAllowed => ("auth.method_not_allowed", "Método não permitido."),
        Code::Conflict | Code::VersionMismatch | Code::VersionRequired => {
            ("auth.conflict", "Conflito com o estado atual.")
        }
        Code::BodyTooLarge => ("auth.body_too_large", "O corpo da requisição é grande demais."),
        Code::UnsupportedMediaType => ("auth.unsupported_media_type", "O corpo da requisição deve ser JSON."),
        Code::IdempotencyKeyReused => (
            "auth.idempotency_key_reused",
            "A chave de idempotência já foi usada em outra requisição.",
        ),
        Code::TooManyAttempts => (
            "auth.too_many_attempts",
            "Muitas tentativas. Tente novamente mais tarde.",
        ),
        Code::Internal => ("auth.internal", "Erro interno do servidor."),
        Code::Overloaded | Code::Unavailable => (
            "auth.unavailable",
            "Serviço temporariamente indisponível. Tente novamente.",
        ),
    }
}

impl Envelope {
    /// The dialect's error for a code of ours, with its status.
    #[must_use]
    pub fn of(code: Code) -> Self {
        Self::with_status(code, code.status())
    }

    /// The same with another status than the code has by itself.
    #[must_use]
    pub fn with_status(code: Code, status: u16) -> Self {
        let (code, message) = words(code);
        Self::new(code, status, message)
    }

    /// An error of the dialect; its kind follows from the status.
    #[must_use]
    pub fn new(code: &str, status: u16, message: &str) -> Self {
        let kind = match status {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 | 405 => "NotFound",
            409 | 412 => "Conflict",
            // Nothing is wrong with the request.
            429 => "Failure",
            400..=499 => "Validation",
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

    #[test]
    fn every_code_has_words_and_the_type_of_its_status() {
        let typed = |code: Code| {
            let error = Envelope::of(code).error;
            assert!(error.code.starts_with("auth.") && !error.message.is_empty());
            assert_eq!(error.status_code, code.status());
            error.kind
        };
        for (code, kind) in [
            (Code::InvalidRequest, "Validation"),
            (Code::BodyTooLarge, "Validation"),
            (Code::UnsupportedMediaType, "Validation"),
            (Code::Unauthenticated, "Unauthorized"),
            (Code::Forbidden, "Forbidden"),
            (Code::NotFound, "NotFound"),
            (Code::MethodNotAllowed, "NotFound"),
            (Code::Conflict, "Conflict"),
            (Code::TooManyAttempts, "Failure"),
            (Code::Internal, "Failure"),
            (Code::Unavailable, "Failure"),
        ] {
            assert_eq!(typed(code), kind, "{}", code.as_str());
        }
        for code in Code::ALL {
            typed(*code);
        }
        // What load balancers find wrong with a request before they know its body.
        assert_eq!(
            Envelope::with_status(Code::InvalidRequest, 431).error.kind,
            "Validation"
        );
    }
}
