//! Answers that the load balancer gives itself: one sentence, as JSON of the surface that was called, or as a small page
//! when a browser asks for one.
//!
//! They say nothing about nodes, and never call something failed whose outcome is open.

use auth_api::headers::REQUEST_ID;
use auth_api::operation::Surface;
use auth_api::surface::Methods;
use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::shape;
use crate::config::StrictTransport;
use crate::entropy::HexId;

/// Two years, as the preload lists want it.
pub const STRICT_TRANSPORT: &str = "max-age=63072000; includeSubDomains";

/// What every answer carries (SE-8). These pages load nothing and post nowhere.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A status with a sentence for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// A sentence.
    pub detail: &'static str,
    /// Seconds after which it makes sense to come back.
    pub retry_after_seconds: Option<u64>,
    /// Methods that would have been let in, for a 405.
    pub allow: Option<Methods>,
}

impl Answer {
    /// An answer without a time to come back.
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            retry_after_seconds: None,
            allow: None,
        }
    }

    /// A 405 that names the methods of the path.
    pub const fn not_allowed(methods: Methods) -> Self {
        Self {
            allow: Some(methods),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.")
        }
    }

    /// The same with a time to come back.
    pub const fn after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Sends the answer, unless one was begun already, and closes the connection after it.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn send(self, session: &mut Session, id: &HexId, strict: Option<StrictTransport>) -> Result<()> {
        let accept = session
            .req_header()
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let is_page = accept.is_some_and(prefers_html);
        let is_head = session.req_header().method == http::Method::HEAD;
        let (body, content_type) = if is_page {
            (self.page(), "text/html; charset=utf-8")
        } else {
            let surface = Surface::of(session.req_header().uri.path());
            (
                Bytes::from(shape::body(surface, &self, id.as_str())),
                shape::media_type(surface),
            )
        };
        let mut head = ResponseHeader::build(self.status, Some(12))?;
        head.insert_header(header::CONTENT_TYPE, content_type)?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        for (name, value) in SECURITY_HEADERS {
            head.insert_header(name, value)?;
        }
        head.insert_header(HeaderName::from_static(REQUEST_ID), id.as_bytes())?;
        if strict == Some(StrictTransport::Announced) {
            head.insert_header(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT)?;
        }
        if let Some(seconds) = self.retry_after_seconds {
            head.insert_header(header::RETRY_AFTER, seconds)?;
        }
        if let Some(methods) = self.allow {
            head.insert_header(header::ALLOW, methods.list())?;
        }
        let body = if is_head { Bytes::new() } else { body };
        session.as_downstream_mut().write_error_response(head, body).await
    }

    fn page(self) -> Bytes {
        let title = self.status.canonical_reason().unwrap_or("Error");
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <main><h1>{title}</h1><p>{}</p></main></html>",
            self.detail
        )
        .into()
    }
}

/// Whether an `Accept` header asks for a page rather than JSON: only when it names `text/html`, and not below JSON.
pub(crate) fn prefers_html(accept: &str) -> bool {
    let quality_of = |wanted: &str| {
        accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            (parts.next()?.eq_ignore_ascii_case(wanted)).then(|| {
                parts
                    .find_map(|parameter| parameter.strip_prefix("q="))
                    .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0))
            })
        })
    };
    let html = quality_of("text/html").unwrap_or(0.0);
    html > 0.0 && html >= quality_of("application/json").unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_a_page_and_everybody_else_json() {
        assert!(prefers_html(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(!prefers_html("*/*"));
        assert!(!prefers_html("application/json"));
        assert!(!prefers_html("application/json, text/html;q=0.5"));
        assert!(!prefers_html("text/html;q=0"));
    }
}
