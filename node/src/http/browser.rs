//! Whether a person looks at the answer, and errors as pages for those who do.
//!
//! Handlers answer errors in their own dialect; the middleware here redraws the general ones (nothing here, wrong
//! method, too large, a fault, not available) when a browser shows them. It changes what is seen, never the status.

use crate::http::context::RequestContext;
use crate::http::handlers::pages::status_page;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// The quality of a media range is a number of thousandths (RFC 9110 12.4.2).
const QUALITY_MAX: u32 = 1000;

/// Middleware: the general errors as pages, for browsers.
pub async fn show_errors_as_pages(request: Request, next: Next) -> Response {
    let wanted = is_navigation(request.headers());
    let reference = request
        .extensions()
        .get::<RequestContext>()
        .map(|ctx| ctx.request_id.clone());
    let response = next.run(request).await;
    if wanted {
        as_page(response, reference.as_deref())
    } else {
        response
    }
}

/// A general error as a page; any other answer as it is. `reference` is the request's id.
#[must_use]
pub fn as_page(response: Response, reference: Option<&str>) -> Response {
    if is_general_error(response.status()) && !is_html(response.headers()) {
        return redraw(response, reference);
    }
    response
}

/// Whether the answer will be shown as a document: it prefers HTML over JSON, and no script asks for it.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    let by_script = headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
    !by_script && prefers_html(headers)
}

/// The same status with a page for a body. Headers that mean something with any body stay.
fn redraw(response: Response, reference: Option<&str>) -> Response {
    let (mut parts, _) = response.into_parts();
    let (page, body) = status_page(parts.status, None, reference).into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    for (name, value) in &page.headers {
        parts.headers.insert(name, value.clone());
    }
    Response::from_parts(parts, body)
}

fn is_general_error(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/html"))
}

/// Whether `Accept` names HTML, and JSON not before it. Wildcards say nothing: `curl` and scripts send them.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut html = 0;
    let mut json = 0;
    for line in headers.get_all(header::ACCEPT) {
        for range in line.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(QUALITY_MAX, thousandths);
            match kind.as_str() {
                "text/html" | "application/xhtml+xml" => html = html.max(quality),
                "application/json" | "application/problem+json" => json = json.max(quality),
                _ => {}
            }
        }
    }
    html > 0 && html >= json
}

/// `1`, `0.8`, `0.125`: anything else counts as nothing.
fn thousandths(quality: &str) -> u32 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let parsed = whole.parse::<u32>().ok().zip(digits.parse::<u32>().ok());
    parsed.map_or(0, |(whole, fraction)| {
        whole
            .saturating_mul(QUALITY_MAX)
            .saturating_add(fraction)
            .min(QUALITY_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn a_browser_gets_pages_and_a_program_does_not() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, page) in [
            (chromium, true),
            ("text/html", true),
            ("TEXT/HTML;q=0.5, application/json;q=0.4", true),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("application/json", false),
            ("image/png", false),
            ("text/html;q=nonsense", false),
            ("", false),
        ] {
            assert_eq!(is_navigation(&accepting(accept)), page, "{accept}");
        }
        assert!(!is_navigation(&HeaderMap::new()));
    }

    #[test]
    fn a_script_that_accepts_html_is_not_a_person() {
        let mut headers = accepting("text/html");
        headers.insert("sec-fetch-mode", HeaderValue::from_static("cors"));
        assert!(!is_navigation(&headers));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        assert!(is_navigation(&headers));
    }

    #[test]
    fn a_redrawn_error_keeps_its_status_and_its_meaning() {
        let mut response = Response::new(axum::body::Body::from("{}"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let page = redraw(response, None);
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.headers()[header::RETRY_AFTER], "2");
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(page.headers().get(header::CONTENT_LENGTH).is_none());
    }
}
