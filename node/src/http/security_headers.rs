//! The headers that every answer carries, errors and static files among them (SE-8).
//!
//! Values are fixed: nothing here depends on the request. A handler that set one of them itself keeps its own
//! (`Cache-Control` of the public keys and of static files).

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// Pages load one style sheet and one icon of this origin, run no script, are framed by nobody and post to themselves.
/// The QR code is part of its page (inline SVG), so not even `data:` images are needed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                       base-uri 'none'; frame-ancestors 'none'; object-src 'none'";

/// Name and value of each header.
pub const SECURITY_HEADERS: [(HeaderName, HeaderValue); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: under it browsers post forms with `Origin: null`, and the check of the origin would refuse
    // every one of them. Other sites learn nothing either way.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Middleware around everything else.
pub async fn apply(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    fill(response.headers_mut());
    response
}

/// Adds what is missing; for answers that no route made.
pub fn fill(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn se_8_every_header_is_set_and_a_handlers_own_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        fill(&mut headers);
        for (name, value) in SECURITY_HEADERS {
            let expected = if name == header::CACHE_CONTROL {
                "public, max-age=300"
            } else {
                value.to_str().unwrap()
            };
            assert_eq!(headers[&name], expected, "{name}");
            assert_eq!(headers.get_all(&name).iter().count(), 1, "{name}");
        }
    }

    #[test]
    fn se_8_nothing_may_run_or_come_from_elsewhere() {
        for part in [
            "default-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        ] {
            assert!(CONTENT_SECURITY_POLICY.contains(part), "{part}");
        }
        for part in ["unsafe", "http", "*", "script-src", "data:"] {
            assert!(!CONTENT_SECURITY_POLICY.contains(part), "{part}");
        }
    }
}
