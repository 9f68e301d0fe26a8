//! Handlers: decode, call the service, encode. No decisions.

pub mod dialect_002;
pub mod dialect_003;
pub mod dialect_004;
pub mod docs;
pub mod jwks;
pub mod pages;
pub mod v1;

use super::context::RequestContext;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use crate::service::{AwaitedFactor, ServiceError};
use auth_api::body::{self, Body, Wrong};
use auth_api::limits::BODY_BYTES_MAX;
use auth_api::problem::{Code, FieldProblem};
use auth_core::factor::Methods;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use zeroize::Zeroizing;

/// A JSON object from a request. What is wrong with it is told by the name of the field, never with a value: it may be a
/// password.
pub struct JsonBody<T>(pub T);

impl<T: Body, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refused> {
        let bytes = json_bytes(request).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The same for a call that may come without a body: then every field is absent.
pub struct OptionalJsonBody<T>(pub T);

impl<T: Body, S: Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refused> {
        if request.headers().contains_key(CONTENT_TYPE) {
            let bytes = json_bytes(request).await?;
            return Ok(Self(parse(&bytes)?));
        }
        if read_body(request.into_body()).await?.is_empty() {
            return Ok(Self(parse(b"{}")?));
        }
        Err(unsupported_media_type().into())
    }
}

/// Parameters of the query string.
pub struct Query<T>(pub T);

impl<T: Body, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Refusal::new(Code::InvalidRequest, "The query string is malformed"))?;
        body::read_query(pairs.0)
            .map(Self)
            .map_err(|wrong| refusal(wrong).into())
    }
}

/// What became of the code of a login whose dialect mails one at once.
enum Sent {
    /// It is on its way.
    Mailed,
    /// None was mailed, and none is needed: the owner has an app.
    Nothing,
    /// The challenge takes nothing that the dialect has a field for.
    Impossible,
    /// It could not be made, and a mailed code is all that the owner has.
    Unmade,
    /// A server refused it for good.
    Refused,
    /// The limit of mails is reached, and a mailed code is all that the owner has. What was sent before is for other
    /// challenges.
    TooMuch,
}

async fn sent(app: &AppState, ctx: &RequestContext, awaited: &AwaitedFactor) -> Result<Sent, ServiceError> {
    let has_app = awaited.methods.has(Methods::TOTP);
    Ok(match awaited.mail {
        Some(mail) if !app.auth.mail_is_refused(ctx, mail).await? => Sent::Mailed,
        Some(_) | None if has_app => Sent::Nothing,
        Some(_) => Sent::Refused,
        None if awaited.methods.has(Methods::EMAIL) && awaited.is_code_missing => Sent::Unmade,
        None if awaited.methods.has(Methods::EMAIL) => Sent::TooMuch,
        None => Sent::Impossible,
    })
}

async fn json_bytes(request: Request) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if !is_json(request.headers()) {
        return Err(unsupported_media_type());
    }
    Ok(Zeroizing::new(read_body(request.into_body()).await?.to_vec()))
}

fn parse<T: Body>(bytes: &[u8]) -> Result<T, Refusal> {
    body::read(bytes).map_err(refusal)
}

fn refusal(wrong: Vec<Wrong>) -> Refusal {
    let problems = wrong.into_iter().map(|wrong| FieldProblem {
        field: wrong.field,
        message: wrong.message,
    });
    Refusal::of_fields(problems.collect())
}

fn unsupported_media_type() -> Refusal {
    Refusal::new(Code::UnsupportedMediaType, "Content-Type must be application/json")
}

/// `application/json`, with nothing but a charset of UTF-8 beside it. Forms and plain text are refused: a page of another
/// site can send those without asking (SE-7).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_type = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_type
        && parts
            .all(|part| part.eq_ignore_ascii_case("charset=utf-8") || part.eq_ignore_ascii_case("charset=\"utf-8\""))
}

async fn read_body(body: axum::body::Body) -> Result<bytes::Bytes, Refusal> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(
            Code::BodyTooLarge,
            "The body must have at most 65536 bytes",
        )),
        Err(_) => Err(Refusal::new(Code::InvalidRequest, "The body ended early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_api::dialect_003::QrCode;
    use axum::response::IntoResponse as _;
    use http::StatusCode;

    async fn read(content_type: Option<&str>, body: Vec<u8>) -> Result<QrCode, (StatusCode, String)> {
        let mut request = Request::builder().method("POST");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(axum::body::Body::from(body)).unwrap();
        match JsonBody::<QrCode>::from_request(request, &()).await {
            Ok(JsonBody(pair)) => Ok(pair),
            Err(refused) => {
                let mut response = refused.into_response();
                let refusal = response.extensions_mut().remove::<Refusal>().unwrap();
                Err((response.status(), refusal.detail))
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_read_and_unknown_fields_are_ignored() {
        let body = br#"{"username":"a","password":"b","colour":7}"#;
        for kind in ["application/json", "Application/JSON; charset=UTF-8"] {
            let pair = read(Some(kind), body.to_vec()).await.ok().unwrap();
            assert_eq!((pair.username.as_str(), pair.password.as_str()), ("a", "b"));
        }
    }

    #[tokio::test]
    async fn se_7_other_content_types_are_refused() {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/json; x=y"),
        ] {
            assert_eq!(
                read(kind, b"{}".to_vec()).await.err().unwrap().0,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{kind:?}"
            );
        }
    }

    #[tokio::test]
    async fn bad_bodies_name_the_field_and_never_the_value() {
        let secret = "hunter2hunter2";
        for (body, status, told) in [
            (format!("{{\"password\":\"{secret}\""), 400, "Malformed JSON at line 1"),
            (format!("[\"{secret}\"]"), 400, "must be a JSON object"),
            (format!("{{\"password\":\"{secret}\"}}"), 400, "username: is missing"),
            (
                format!("{{\"username\":\"a\",\"password\":[\"{secret}\"]}}"),
                400,
                "password: must be a string",
            ),
            (
                "{\"username\":null,\"password\":1}".to_owned(),
                400,
                "username: is missing",
            ),
            (
                format!("{{\"username\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX)),
                413,
                "65536",
            ),
        ] {
            let (got, detail) = read(Some("application/json"), body.into_bytes()).await.err().unwrap();
            assert_eq!(got.as_u16(), status);
            assert!(detail.contains(told), "{detail}");
            assert!(!detail.contains(secret), "{detail}");
        }
    }
}
