//! Handlers: decode, call the service, encode. No decisions.

pub mod dialect_003;
pub mod jwks;
pub mod pages;

use super::respond::{Refusal, Refused};
use auth_api::limits::BODY_BYTES_MAX;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A body whose fields are all strings, as those of the dialects are.
pub trait StringFields: DeserializeOwned {
    /// Names of the fields.
    const NAMES: &'static [&'static str];
}

/// A JSON object from a request. What is wrong with it is told by the name of the field, never with a value: it may be a
/// password.
pub struct JsonBody<T>(pub T);

impl<T: StringFields, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            let expected = "Content-Type must be application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected).into());
        }
        let bytes = read_body(request.into_body()).await?;
        let bad_request = |detail: &str| Refusal::new(StatusCode::BAD_REQUEST, detail);
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            bad_request(&format!("Malformed JSON at line {line}, column {column}"))
        })?;
        let Value::Object(fields) = value else {
            return Err(bad_request("The body must be a JSON object").into());
        };
        for name in T::NAMES {
            match fields.get(*name) {
                Some(Value::String(_)) => {}
                Some(_) => return Err(bad_request(&format!("{name}: must be a string")).into()),
                None => return Err(bad_request(&format!("{name}: is missing")).into()),
            }
        }
        // Cannot fail once every field is there as a string; if it does, the reason may hold a value.
        serde_json::from_value(Value::Object(fields))
            .map(Self)
            .map_err(|_| bad_request("Malformed body").into())
    }
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

async fn read_body(body: Body) -> Result<bytes::Bytes, Refusal> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body must have at most 65536 bytes",
        )),
        Err(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "The body ended early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Pair {
        username: String,
        password: String,
    }

    impl StringFields for Pair {
        const NAMES: &'static [&'static str] = &["username", "password"];
    }

    async fn read(content_type: Option<&str>, body: Vec<u8>) -> Result<Pair, (StatusCode, String)> {
        let mut request = Request::builder().method("POST");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        match JsonBody::<Pair>::from_request(request.body(Body::from(body)).unwrap(), &()).await {
            Ok(JsonBody(pair)) => Ok(pair),
            Err(refused) => {
                let response = refused.into_response();
                let status = response.status();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                Err((status, String::from_utf8(body.to_vec()).unwrap()))
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_read_and_unknown_fields_are_ignored() {
        let body = br#"{"username":"a","password":"b","colour":7}"#;
        for kind in ["application/json", "Application/JSON; charset=UTF-8"] {
            let pair = read(Some(kind), body.to_vec()).await.unwrap();
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
                read(kind, b"{}".to_vec()).await.unwrap_err().0,
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
                "username: must be a string",
            ),
            (
                format!("{{\"username\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX)),
                413,
                "65536",
            ),
        ] {
            let (got, detail) = read(Some("application/json"), body.into_bytes()).await.unwrap_err();
            assert_eq!(got.as_u16(), status);
            assert!(detail.contains(told), "{detail}");
            assert!(!detail.contains(secret), "{detail}");
        }
    }
}
