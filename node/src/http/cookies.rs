//! Cookies of tokens and challenges: names, attributes, reading. They hold no personal data (SE-6).

use super::routes::HttpConfig;
use crate::clock;
use crate::service::IssuedTokens;
use auth_api::dialect_003::{LEGACY_ACCESS_COOKIE, LEGACY_REFRESH_COOKIE};
use auth_core::time::Timestamp;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

/// Cookie of the access token.
pub const ACCESS: &str = "__Host-access_token";
/// Cookie of the refresh token.
pub const REFRESH: &str = "__Host-refresh_token";
/// Cookie of a login that waits for its second factor.
pub const CHALLENGE: &str = "__Host-login_challenge";
/// Cookie of a device that the account knows.
pub const DEVICE: &str = "__Host-device";
/// How long a browser keeps the device cookie without a login, in seconds.
const DEVICE_SECONDS: u64 = 400 * 86_400;

/// Attributes that every cookie has.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// A token that a request shows, and how: what came by cookie may have been sent by another site's page.
pub struct ShownToken {
    /// The token.
    pub value: String,
    /// Whether the browser added it by itself.
    pub by_cookie: bool,
}

/// The access token of a request: header first, then cookie.
#[must_use]
pub fn access_token(headers: &HeaderMap, config: &HttpConfig) -> Option<ShownToken> {
    shown(headers, config, ACCESS, LEGACY_ACCESS_COOKIE)
}

/// The refresh token of a request: header first, then cookie.
#[must_use]
pub fn refresh_token(headers: &HeaderMap, config: &HttpConfig) -> Option<ShownToken> {
    shown(headers, config, REFRESH, LEGACY_REFRESH_COOKIE)
}

/// The value of a cookie. With several of one name the first counts, as browsers send the most specific first.
#[must_use]
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Adds both tokens to an answer.
pub fn set_tokens(headers: &mut HeaderMap, config: &HttpConfig, tokens: &IssuedTokens) {
    let access = (tokens.access.expose_secret(), tokens.access_expires_at);
    let refresh = (tokens.refresh.expose_secret(), tokens.refresh_expires_at);
    set(headers, ACCESS, access.0, access.1);
    set(headers, REFRESH, refresh.0, refresh.1);
    if config.legacy_cookie_names {
        set(headers, LEGACY_ACCESS_COOKIE, access.0, access.1);
        set(headers, LEGACY_REFRESH_COOKIE, refresh.0, refresh.1);
    }
    set_device(headers, tokens);
}

/// Adds the refresh token alone, and the device's.
pub fn set_refresh(headers: &mut HeaderMap, config: &HttpConfig, tokens: &IssuedTokens) {
    let refresh = (tokens.refresh.expose_secret(), tokens.refresh_expires_at);
    set(headers, REFRESH, refresh.0, refresh.1);
    if config.legacy_cookie_names {
        set(headers, LEGACY_REFRESH_COOKIE, refresh.0, refresh.1);
    }
    set_device(headers, tokens);
}

fn set_device(headers: &mut HeaderMap, tokens: &IssuedTokens) {
    if let Some(device) = &tokens.device {
        set(
            headers,
            DEVICE,
            device.expose_secret(),
            clock::now().plus_seconds(DEVICE_SECONDS),
        );
    }
}

/// What a browser is told at the end of a session: to forget what it kept and stored of this origin (SE-10). Cookies are
/// cleared by name, so that the device stays known.
pub fn forget_site(headers: &mut HeaderMap) {
    let name = HeaderName::from_static("clear-site-data");
    headers.insert(name, HeaderValue::from_static("\"cache\", \"storage\""));
}

/// Tells the browser to forget both tokens.
pub fn clear_tokens(headers: &mut HeaderMap, config: &HttpConfig) {
    clear(headers, ACCESS);
    clear(headers, REFRESH);
    if config.legacy_cookie_names {
        clear(headers, LEGACY_ACCESS_COOKIE);
        clear(headers, LEGACY_REFRESH_COOKIE);
    }
}

/// Adds a cookie that lives until `expires_at`. The value must be of cookie characters, as tokens and base64url are.
pub fn set(headers: &mut HeaderMap, name: &str, value: &str, expires_at: Timestamp) {
    let seconds = clock::now().seconds_until(expires_at);
    append(headers, &format!("{name}={value}; Max-Age={seconds}; {ATTRIBUTES}"));
}

/// Tells the browser to forget a cookie.
pub fn clear(headers: &mut HeaderMap, name: &str) {
    append(headers, &format!("{name}=; Max-Age=0; {ATTRIBUTES}"));
}

fn append(headers: &mut HeaderMap, cookie: &str) {
    match HeaderValue::from_str(cookie) {
        Ok(mut value) => {
            value.set_sensitive(true);
            headers.append(SET_COOKIE, value);
        }
        // The value is not printed: it may be a token.
        Err(_) => tracing::error!("a cookie value has characters that no header can carry; it was not set"),
    }
}

fn shown(headers: &HeaderMap, config: &HttpConfig, name: &str, legacy: &str) -> Option<ShownToken> {
    if let Some(authorization) = headers.get(AUTHORIZATION) {
        // A header that is there but wrong is not made good by a cookie.
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| ShownToken {
            value: token.trim().to_owned(),
            by_cookie: false,
        });
    }
    let cookie = read(headers, name).or_else(|| read(headers, legacy).filter(|_| config.legacy_cookie_names));
    cookie.map(|value| ShownToken { value, by_cookie: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(legacy_cookie_names: bool) -> HttpConfig {
        HttpConfig {
            public_origins: Vec::new(),
            public_profiles: false,
            legacy_cookie_names,
        }
    }

    fn headers(lines: &[(http::HeaderName, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[(COOKIE, "a=1; __Host-access_token=tok; b=2")]);
        assert_eq!(read(&headers, ACCESS).as_deref(), Some("tok"));
        assert_eq!(read(&headers, "access_token"), None);
    }

    #[test]
    fn the_header_wins_and_legacy_names_need_their_switch() {
        let both = headers(&[(AUTHORIZATION, "bearer one"), (COOKIE, "__Host-access_token=two")]);
        let shown = access_token(&both, &config(false)).unwrap();
        assert_eq!((shown.value.as_str(), shown.by_cookie), ("one", false));
        let wrong = headers(&[(AUTHORIZATION, "Basic one"), (COOKIE, "__Host-access_token=two")]);
        assert!(access_token(&wrong, &config(false)).is_none());
        let legacy = headers(&[(COOKIE, "refresh_token=three")]);
        assert!(refresh_token(&legacy, &config(false)).is_none());
        assert!(refresh_token(&legacy, &config(true)).unwrap().by_cookie);
    }

    #[test]
    fn se_6_cookies_have_every_attribute() {
        let mut out = HeaderMap::new();
        set(&mut out, CHALLENGE, "value", clock::now().plus_seconds(300));
        let cookie = out.get(SET_COOKIE).unwrap().to_str().unwrap();
        for part in [
            "__Host-login_challenge=value",
            "Path=/",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=",
        ] {
            assert!(cookie.contains(part), "{part} is missing in {cookie}");
        }
        assert!(!cookie.contains("Domain"));
    }
}
