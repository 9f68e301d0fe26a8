//! How a refusal is worded on each surface: problems for `/v1`, the literal shapes for the dialects. Pages put their own
//! body into [`dress`], so that headers cannot differ between the two.
//!
//! Handlers and guards answer with [`Refused`]; [`word_refusals`], around all routes, writes it in the words of the
//! surface that was asked.

use super::context::RequestContext;
use super::refusal::Refusal;
use super::times::rfc_3339;
use crate::service::ServiceError;
use auth_api::headers::NOT_EXECUTED;
use auth_api::operation::Surface;
use auth_api::problem::{Code, MEDIA_TYPE, Problem};
use auth_api::{dialect_002, dialect_003, dialect_004};
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// A refused call of an API. Faults are logged when they become an answer, and nowhere else.
#[derive(Debug)]
pub struct Refused(Refusal);

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        log_fault(&error);
        Self(Refusal::of(&error))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

/// Not yet in words: [`word_refusals`] adds them.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = dress(&self.0, Response::default());
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Logs what an operator must know. To be called once for an error, where it becomes an answer.
pub fn log_fault(error: &ServiceError) {
    if let ServiceError::Fault(reason) = error {
        tracing::error!(%reason, "a request met a fault");
    }
}

/// Gives an answer a refusal's status and headers.
#[must_use]
pub fn dress(refusal: &Refusal, mut response: Response) -> Response {
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.not_executed {
        headers.insert(HeaderName::from_static(NOT_EXECUTED), HeaderValue::from_static("1"));
    }
    if refusal.status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Middleware around all routes: refusals in the words of the surface.
pub async fn word_refusals(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (mut parts, body) = request.into_parts();
    let Ok(ctx) = RequestContext::from_request_parts(&mut parts, &()).await;
    // One context for the guard, the handler and this answer, with or without a server around.
    parts.extensions.insert(ctx.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    word_rest(response, &path, &ctx.request_id)
}

/// An answer from outside of the routes, in the words of the surface of `path` if it is a refusal.
#[must_use]
pub fn word_rest(mut response: Response, path: &str, request_id: &str) -> Response {
    match response.extensions_mut().remove::<Refusal>() {
        Some(refusal) => word(refusal, Surface::of(path), request_id, response),
        None => response,
    }
}

fn word(refusal: Refusal, surface: Surface, request_id: &str, response: Response) -> Response {
    match surface {
        Surface::V1 => {
            let response = dress(&refusal, response);
            write(response, MEDIA_TYPE, &problem(refusal, request_id))
        }
        Surface::Dialect002 => {
            let refusal = without_account_status(refusal);
            let body = dialect_002::ErrorBody {
                error: in_002(&refusal),
            };
            write(dress(&refusal, response), "application/json", &body)
        }
        Surface::Dialect003 => {
            let refusal = refusal.uniform();
            let response = dress(&refusal, response);
            let body = dialect_003::ErrorBody { detail: refusal.detail };
            write(response, "application/json", &body)
        }
        Surface::Dialect004 => {
            let body = dialect_004::Envelope::of(refusal.code);
            write(dress(&refusal, response), "application/json", &body)
        }
    }
}

fn problem(refusal: Refusal, request_id: &str) -> Problem {
    let mut problem = Problem::new(refusal.code, refusal.detail, request_id.to_owned());
    problem.errors = refusal.errors;
    if let Some((token, expires_at)) = refusal.enrolment {
        problem.enrolment_token = Some(token);
        problem.expires_at = Some(rfc_3339(expires_at));
    }
    problem
}

/// This dialect knows wrong credentials and wrong codes; that an account is disabled it does not tell.
fn without_account_status(mut refusal: Refusal) -> Refusal {
    if refusal.code == Code::AccountDisabled {
        refusal.code = Code::InvalidCredentials;
    }
    refusal
}

fn in_002(refusal: &Refusal) -> String {
    match refusal.code {
        Code::InvalidCredentials => dialect_002::INVALID_CREDENTIALS.to_owned(),
        Code::InvalidCode => dialect_002::INVALID_CODE.to_owned(),
        Code::InvalidRequest
        | Code::Unauthenticated
        | Code::SessionRevoked
        | Code::StepUpRequired
        | Code::AccountNotApproved
        | Code::AccountDisabled
        | Code::Forbidden
        | Code::EnrolmentRequired
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::Conflict
        | Code::VersionMismatch
        | Code::BodyTooLarge
        | Code::UriTooLong
        | Code::UnsupportedMediaType
        | Code::IdempotencyKeyReused
        | Code::VersionRequired
        | Code::TooManyAttempts
        | Code::Internal
        | Code::Overloaded
        | Code::Unavailable => refusal.detail.clone(),
    }
}

/// Replaces the body; what headers the response has already (`Allow`, cookies) stays.
fn write(mut response: Response, kind: &'static str, body: &impl Serialize) -> Response {
    // The shapes that are written here have no maps with keys that could fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(bytes);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::reply::Denial;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    async fn told(error: &ServiceError, path: &str) -> (u16, String, Value) {
        let response = word_rest(Refused::from(Refusal::of(error)).into_response(), path, "00ff");
        let status = response.status().as_u16();
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn each_surface_has_its_own_words_for_one_error() {
        let wrong = ServiceError::Denied(Denial::InvalidCode {});
        let (status, kind, body) = told(&wrong, "/v1/login").await;
        assert_eq!((status, kind.as_str()), (401, MEDIA_TYPE));
        assert_eq!(
            (&body["code"], &body["trace_id"]),
            (&json!("invalid_code"), &json!("00ff"))
        );
        assert_eq!(
            told(&wrong, "/auth/validate-2fa/").await.2,
            json!({"error": "Invalid or expired 2FA code."})
        );
        assert_eq!(
            told(&wrong, "/api/v1/auth-jwt/login").await.2,
            json!({"detail": "Invalid credentials"})
        );
        let envelope = json!({"isSuccess": false, "error": {
            "code": "auth.unauthorized", "message": "Código OTP inválido ou expirado.",
            "type": "Unauthorized", "statusCode": 401}});
        assert_eq!(told(&wrong, "/api/auth/verify-otp").await.2, envelope);
    }

    #[tokio::test]
    async fn a_disabled_account_is_told_only_where_the_contract_says_so() {
        let disabled = ServiceError::Denied(Denial::AccountDisabled {});
        assert_eq!(told(&disabled, "/v1/login").await.0, 403);
        assert_eq!(told(&disabled, "/api/auth/login").await.0, 403);
        for path in ["/auth/login", "/api/v1/auth-jwt/login"] {
            let wrong = ServiceError::Denied(Denial::InvalidCredentials {});
            assert_eq!(told(&disabled, path).await, told(&wrong, path).await, "{path}");
        }
    }

    #[tokio::test]
    async fn waiting_times_and_not_executed_become_headers() {
        let response = word_rest(
            Refused::from(Refusal::of(&ServiceError::Overloaded { retry_after_s: 3 })).into_response(),
            "/v1/login",
            "",
        );
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[NOT_EXECUTED], "1");
        let unknown = word_rest(
            Refused::from(Refusal::of(&ServiceError::Unavailable { not_executed: false })).into_response(),
            "/v1/login",
            "",
        );
        assert!(unknown.headers().contains_key(RETRY_AFTER));
        assert!(!unknown.headers().contains_key(NOT_EXECUTED));
    }
}
