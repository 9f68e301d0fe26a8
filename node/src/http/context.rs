//! What a request tells besides its body: who asks, under which ids, until when an answer is of use.
//!
//! The headers come from the load balancer, which removes a client's own copies; the listener lets nobody else in.

use super::cookies;
use crate::limits::REQUEST_DEADLINE_DEFAULT;
use crate::{clock, entropy};
use auth_api::headers;
use auth_api::limits::REQUEST_ID_CHARS;
use auth_core::idempotency::IdempotencyKey;
use auth_core::limits::AGENT_BYTES_MAX;
use auth_core::reply::Reply;
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The surroundings of one request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// 32 hexadecimal characters that name the request in every log.
    pub request_id: String,
    /// The same on every retry of one client request, so that its work is done once.
    pub operation: [u8; 16],
    /// Address of the client.
    pub client_address: IpAddr,
    /// When the answer must be on its way.
    pub deadline: Instant,
    /// Whether a browser asks: only they send `Sec-Fetch-Site`.
    pub is_browser: bool,
    /// The `Host` that the client asked for; empty when it sent none.
    pub origin_host: String,
    /// What the client calls itself, cut to what is kept.
    pub agent: Option<String>,
    /// Language of its mails: one of [`LANGUAGES`].
    pub language: &'static str,
    /// Token of a remembered device.
    pub device_token: Option<String>,
    /// The client's name for this request, once the route's guard has read it.
    pub idempotency: Option<Arc<IdempotencyKey>>,
    /// The answer that a request of this name got before.
    pub kept: Option<Arc<Reply>>,
}

/// Languages that mails are written in; the first is the default.
pub const LANGUAGES: [&str; 3] = ["en", "pt", "ru"];

impl RequestContext {
    /// Reads the load balancer's headers. A missing or malformed id is replaced by a random one, a missing or malformed
    /// client address by the peer's.
    #[must_use]
    pub fn new(headers: &HeaderMap, peer: IpAddr, allowed: Duration) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: text(headers::REQUEST_ID)
                .filter(|id| parse_id(id).is_some())
                .map_or_else(entropy::hex_id, str::to_owned),
            operation: text(headers::OPERATION)
                .and_then(parse_id)
                .unwrap_or_else(entropy::bytes),
            client_address: text(headers::FORWARDED_FOR)
                .and_then(|address| address.trim().parse().ok())
                .unwrap_or(peer),
            deadline: clock::monotonic() + allowed,
            is_browser: headers.contains_key("sec-fetch-site"),
            origin_host: text(headers::FORWARDED_HOST)
                .or_else(|| text(http::header::HOST.as_str()))
                .unwrap_or_default()
                .to_owned(),
            agent: text(USER_AGENT.as_str()).map(|agent| cut(agent, AGENT_BYTES_MAX)),
            language: language(text(ACCEPT_LANGUAGE.as_str()).unwrap_or_default()),
            device_token: cookies::read(headers, cookies::DEVICE),
            idempotency: None,
            kept: None,
        }
    }
}

/// Header values that are text are ASCII: any byte is an end.
fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..bytes_max).unwrap_or(text).to_owned()
}

/// The language of ours that is wanted most; of several that are wanted alike the first.
fn language(accept: &str) -> &'static str {
    let mut best = (0, LANGUAGES[0]);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let primary = tag.split('-').next().unwrap_or_default();
        let Some(known) = LANGUAGES.into_iter().find(|known| known.eq_ignore_ascii_case(primary)) else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        if weight > best.0 {
            best = (weight, known);
        }
    }
    best.1
}

/// `0.8` as 800 (RFC 9110 12.4.2). What is no number counts as nothing.
pub(super) fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) || fraction.len() > 3 {
        return 0;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().unwrap_or(0);
    match whole {
        "1" => 1000,
        "0" => fraction,
        _ => 0,
    }
}

/// The server puts the context into the request; without a server (a router called directly) it is read here.
impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| {
            Self::new(
                &parts.headers,
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                REQUEST_DEADLINE_DEFAULT,
            )
        }))
    }
}

/// 32 lower-case hexadecimal characters as bytes.
fn parse_id(text: &str) -> Option<[u8; 16]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != REQUEST_ID_CHARS || !text.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    fn context(pairs: &[(&'static str, &'static str)]) -> RequestContext {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        RequestContext::new(&headers, PEER, Duration::from_secs(5))
    }

    #[test]
    fn the_load_balancers_headers_are_taken() {
        let seen = context(&[
            ("x-request-id", "000102030405060708090a0b0c0d0e0f"),
            ("x-tfauth-operation", "ff0102030405060708090a0b0c0d0e0f"),
            ("x-forwarded-for", "2001:db8::7"),
            ("x-forwarded-host", "auth.example:8443"),
            ("host", "127.0.0.1:7101"),
            ("sec-fetch-site", "none"),
        ]);
        assert_eq!(seen.request_id, "000102030405060708090a0b0c0d0e0f");
        assert_eq!(seen.operation[0], 0xff);
        assert_eq!(seen.client_address, "2001:db8::7".parse::<IpAddr>().unwrap());
        assert_eq!(seen.origin_host, "auth.example:8443");
        assert!(seen.is_browser);
    }

    #[test]
    fn malformed_ids_and_addresses_are_not_believed() {
        let seen = context(&[
            ("x-request-id", "<script>alert(1)</script>0000000"),
            ("x-tfauth-operation", "+0102030405060708090a0b0c0d0e0ff"),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2"),
        ]);
        assert!(parse_id(&seen.request_id).is_some());
        assert_ne!(seen.operation, context(&[]).operation, "each is random");
        assert_eq!(seen.client_address, PEER);
        assert!(!seen.is_browser);
    }

    #[test]
    fn the_language_that_is_wanted_most_is_chosen() {
        for (accept, chosen) in [
            ("", "en"),
            ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
            ("de, ru;q=0.5, en;q=0.4", "ru"),
            ("en;q=0, ru;q=0.001", "ru"),
            ("fr", "en"),
            ("ru;q=x", "en"),
        ] {
            assert_eq!(language(accept), chosen, "{accept}");
        }
    }
}
