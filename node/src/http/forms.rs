//! Forms that only this site's own pages can send (SE-7).
//!
//! A page that holds a form sets the cookie [`COOKIE`] with random bytes and writes a keyed hash of these bytes and of
//! the form's address into a hidden field. A post must bring both, must say no other site as its origin, and must be a
//! form. Another site can make a browser send the cookie but can neither read it nor compute the field. The cookie is
//! forgotten when somebody logs in or out, so that forms of before are worth nothing after. Nothing is kept here, so any
//! node accepts a form that any other node made.

use super::context::RequestContext;
use super::cookies;
use super::handlers::pages::status_page;
use super::routes::AppState;
use crate::secrets::KeyRing;
use crate::{clock, entropy};
use auth_api::limits::BODY_BYTES_MAX;
use axum::Form;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::Zeroize as _;

/// Cookie with the random bytes that the hidden field is made from.
pub const COOKIE: &str = "__Host-form";
/// Name of the hidden field.
pub const FIELD: &str = "form_token";
/// What the key for the hidden field is used for, and nothing else.
const MAC_PURPOSE: &str = "form token";
/// Length of the random bytes (CR-3).
const COOKIE_BYTES: usize = 32;
/// Length of the keyed hash in the hidden field.
const TOKEN_BYTES: usize = 32;
/// How long a page may stay open before its form is out of date, in seconds.
const COOKIE_SECONDS: u64 = 24 * 3600;
/// Fields of a form, the hidden one among them.
const FIELDS_MAX: usize = 16;

/// What a page needs so that its form will be accepted.
pub struct Ticket {
    /// Value of the hidden field [`FIELD`].
    pub token: String,
    cookie: String,
}

impl Ticket {
    /// For the form that posts to `action`. Pages that are open in one browser share the cookie.
    #[must_use]
    pub fn new(ring: &KeyRing, headers: &HeaderMap, action: &str) -> Self {
        let secret = cookie_bytes(headers).unwrap_or_else(entropy::bytes);
        Self {
            token: URL_SAFE_NO_PAD.encode(ring.mac(MAC_PURPOSE, &signed(&secret, action))),
            cookie: URL_SAFE_NO_PAD.encode(secret),
        }
    }

    /// Sets the cookie on the page's answer.
    pub fn attach(&self, headers: &mut HeaderMap) {
        cookies::set(headers, COOKIE, &self.cookie, clock::now().plus_seconds(COOKIE_SECONDS));
    }
}

/// A form that was sent by one of our own pages; the fields that it brought.
pub struct VerifiedForm(Vec<(String, String)>);

impl VerifiedForm {
    /// Takes a field; one that is missing is empty, as it is when nothing was typed.
    #[must_use]
    pub fn text(&mut self, name: &str) -> String {
        let field = self.0.iter_mut().find(|(key, _)| key == name);
        field.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// Takes a field that must not be printed.
    #[must_use]
    pub fn secret(&mut self, name: &str) -> SecretString {
        SecretString::from(self.text(name))
    }
}

/// What is left of a form leaves memory.
impl Drop for VerifiedForm {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

impl FromRequest<AppState> for VerifiedForm {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(ctx) = RequestContext::from_request_parts(&mut parts, app).await;
        let action = parts.uri.path().trim_end_matches('/').to_owned();
        // The address of a form is also the address of its page; only a known route gets here.
        let refused = |status: StatusCode| status_page(status, Some(page_of(&action)), Some(&ctx.request_id));
        if !is_from_here(&parts.headers, &app.config.public_origins) {
            return Err(refused(StatusCode::FORBIDDEN));
        }
        let secret = cookie_bytes(&parts.headers);
        let mut request = Request::from_parts(parts, body);
        DefaultBodyLimit::max(BODY_BYTES_MAX).apply(&mut request);
        let form = Form::<Vec<(String, String)>>::from_request(request, app).await;
        let mut form = match form {
            Ok(Form(fields)) => Self(fields),
            Err(rejection) => return Err(refused(without_unprocessable(rejection.status()))),
        };
        if form.0.len() > FIELDS_MAX {
            return Err(refused(StatusCode::BAD_REQUEST));
        }
        let token = form.text(FIELD);
        if secret.is_some_and(|secret| is_token(&app.key_ring, &secret, &action, &token)) {
            return Ok(form);
        }
        Err(refused(StatusCode::FORBIDDEN))
    }
}

/// Whether nothing says that another site sent this. Clients that are no browsers send neither header, and need the
/// cookie and the field like everybody else.
pub fn is_from_here(headers: &HeaderMap, public_origins: &[String]) -> bool {
    let site = headers
        .get_all("sec-fetch-site")
        .iter()
        .all(|site| site == "same-origin" || site == "none");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    site && origins.all(|origin| public_origins.iter().any(|ours| origin == ours.as_str()))
}

/// The page to go back to when the form at `action` was refused.
fn page_of(action: &str) -> &str {
    if action == "/logout" { "/welcome" } else { action }
}

/// A form whose fields do not decode is a bad request like any other that cannot be read.
fn without_unprocessable(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        StatusCode::BAD_REQUEST
    } else {
        status
    }
}

fn cookie_bytes(headers: &HeaderMap) -> Option<[u8; COOKIE_BYTES]> {
    let value = cookies::read(headers, COOKIE)?;
    URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()
}

fn signed(secret: &[u8; COOKIE_BYTES], action: &str) -> Vec<u8> {
    [secret.as_slice(), action.as_bytes()].concat()
}

/// Compares in constant time (EN-4), with any key of the ring: a page may be older than the active one.
fn is_token(ring: &KeyRing, secret: &[u8; COOKIE_BYTES], action: &str, token: &str) -> bool {
    let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    token.len() == TOKEN_BYTES && ring.verify_mac(MAC_PURPOSE, &signed(secret, action), &token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn se_7_posts_of_other_sites_are_not_from_here() {
        let ours = ["https://localhost:8443".to_owned(), "https://auth.example".to_owned()];
        for (pairs, from_here) in [
            (vec![], true),
            (vec![("origin", "https://localhost:8443")], true),
            (
                vec![("origin", "https://auth.example"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "https://auth.example.evil.example")], false),
            (vec![("origin", "http://auth.example")], false),
            (vec![("origin", "null")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (
                vec![("origin", "https://auth.example"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
                false,
            ),
        ] {
            assert_eq!(is_from_here(&headers(&pairs), &ours), from_here, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_of_another_length_is_replaced() {
        for value in ["", "AAAA", "!", &"A".repeat(44)] {
            let headers = headers(&[("cookie", &format!("{COOKIE}={value}"))]);
            assert_eq!(cookie_bytes(&headers), None, "{value}");
        }
        let headers = headers(&[("cookie", &format!("{COOKIE}={}", "A".repeat(43)))]);
        assert_eq!(cookie_bytes(&headers), Some([0; COOKIE_BYTES]));
    }

    #[test]
    fn se_7_a_token_is_good_for_one_browser_and_one_form() {
        let ring = KeyRing::for_tests();
        let (mine, yours) = ([1; COOKIE_BYTES], [2; COOKIE_BYTES]);
        let token = URL_SAFE_NO_PAD.encode(ring.mac(MAC_PURPOSE, &signed(&mine, "/login")));
        assert!(is_token(&ring, &mine, "/login", &token));
        assert!(!is_token(&ring, &yours, "/login", &token), "another browser's cookie");
        assert!(!is_token(&ring, &mine, "/logout", &token), "another form");
        for wrong in [&token[..22], "", "?", &URL_SAFE_NO_PAD.encode([0; TOKEN_BYTES])] {
            assert!(!is_token(&ring, &mine, "/login", wrong), "{wrong}");
        }
    }

    #[test]
    fn pages_of_one_browser_share_the_cookie() {
        let ring = KeyRing::for_tests();
        let first = Ticket::new(&ring, &HeaderMap::new(), "/login");
        let cookie = headers(&[("cookie", &format!("a=b; {COOKIE}={}", first.cookie))]);
        let second = Ticket::new(&ring, &cookie, "/login");
        assert_eq!((&first.token, &first.cookie), (&second.token, &second.cookie));
        assert_ne!(Ticket::new(&ring, &HeaderMap::new(), "/login").cookie, first.cookie);
    }
}
