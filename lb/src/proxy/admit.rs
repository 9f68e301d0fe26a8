//! Which requests are let in at all: method, target, host and framing. Pure: it reads a request and answers yes or why not.
//!
//! What two programs could read differently is refused here, so that no node ever has to guess.

use std::borrow::Cow;

use auth_api::surface::Rule;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

use super::answer::Answer;
use super::route::{self, NoRoute};
use crate::config::HostList;
use crate::config::StrictTransport;
use crate::limits::{HEADERS_BYTES_MAX, HEADERS_COUNT_MAX, TARGET_BYTES_MAX};

/// The parts of a request that decide.
pub struct Candidate<'a> {
    /// Method.
    pub method: &'a Method,
    /// Version.
    pub version: Version,
    /// The request target as it was sent.
    pub target: &'a [u8],
    /// Authority of the URI: HTTP/2 has it there.
    pub authority: Option<&'a str>,
    /// Headers after parsing.
    pub headers: &'a HeaderMap,
}

/// What is known of a request that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The line of the surface.
    pub rule: &'static Rule,
    /// May change something.
    pub is_mutating: bool,
    /// Whether strict transport security may be announced.
    pub strict_transport: StrictTransport,
}

/// Lets a request in, or says why not.
///
/// # Errors
/// The answer for the client.
pub fn admit(candidate: &Candidate<'_>, hosts: &HostList) -> Result<Admitted, Answer> {
    target(candidate.target)?;
    size(candidate.headers)?;
    let strict_transport = host(candidate, hosts)?;
    framing(candidate)?;
    Ok(Admitted {
        rule: route(candidate)?,
        is_mutating: ![Method::GET, Method::HEAD].contains(candidate.method),
        strict_transport,
    })
}

/// Nothing but what is listed.
fn route(candidate: &Candidate<'_>) -> Result<&'static Rule, Answer> {
    let path = candidate.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = std::str::from_utf8(path).map_err(|_| bad("The address is malformed."))?;
    route::find(candidate.method, path).map_err(|refusal| match refusal {
        NoRoute::Unknown => Answer::new(StatusCode::NOT_FOUND, "Not found."),
        NoRoute::Method(rule) => Answer::not_allowed(rule.methods),
    })
}

fn size(headers: &HeaderMap) -> Result<(), Answer> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() <= HEADERS_COUNT_MAX && bytes <= HEADERS_BYTES_MAX {
        return Ok(());
    }
    Err(Answer::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are too large.",
    ))
}

fn host(candidate: &Candidate<'_>, hosts: &HostList) -> Result<StrictTransport, Answer> {
    let mut sent = candidate.headers.get_all(header::HOST).iter();
    let (first, second) = (sent.next(), sent.next());
    if second.is_some() {
        return Err(bad("More than one Host."));
    }
    let named = match (candidate.authority, first) {
        (Some(authority), _) => authority,
        (None, Some(host)) => host.to_str().map_err(|_| bad("Host is not readable."))?,
        (None, None) => return Err(bad("Host is missing.")),
    };
    hosts.accepts(named).ok_or(Answer::new(
        StatusCode::MISDIRECTED_REQUEST,
        "This host name is not served here.",
    ))
}

/// Origin form only, and nothing in it that two programs could resolve to different paths.
fn target(target: &[u8]) -> Result<(), Answer> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(Answer::new(StatusCode::URI_TOO_LONG, "The address is too long."));
    }
    if target.first() != Some(&b'/') || !target.iter().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("The address is malformed."));
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.iter().any(|byte| matches!(byte, b'\\' | b'#')) {
        return Err(bad("The address is malformed."));
    }
    let decoded = if path.contains(&b'%') {
        Cow::Owned(decode(path).ok_or_else(|| bad("The address is malformed."))?)
    } else {
        Cow::Borrowed(path)
    };
    let mut segments = decoded.split(|byte| *byte == b'/').skip(1).peekable();
    if segments.peek().is_some_and(|first| is_internal(first)) {
        return Err(Answer::new(StatusCode::NOT_FOUND, "Not found."));
    }
    while let Some(segment) = segments.next() {
        let is_dots = segment == b"." || segment == b"..";
        if is_dots || (segment.is_empty() && segments.peek().is_some()) {
            return Err(bad("The address is malformed."));
        }
    }
    Ok(())
}

/// Decodes a path once; none for bad escapes, and for escapes that hide a separator or a control character.
fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (high, low) = (hex(*rest.next()?)?, hex(*rest.next()?)?);
        let escaped = high << 4 | low;
        if matches!(escaped, b'/' | b'\\') || escaped.is_ascii_control() {
            return None;
        }
        decoded.push(escaped);
    }
    Some(decoded)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What is between the load balancer and the nodes only.
fn is_internal(segment: &[u8]) -> bool {
    [auth_api::paths::INTERNAL_PREFIX, auth_api::paths::METRICS, "/raft"]
        .iter()
        .any(|path| segment.eq_ignore_ascii_case(path.trim_start_matches('/').as_bytes()))
}

fn framing(candidate: &Candidate<'_>) -> Result<(), Answer> {
    let headers = candidate.headers;
    if headers.contains_key(header::UPGRADE) {
        return Err(bad("Upgrade is not offered."));
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if lengths.next().is_some_and(|length| !is_decimal(length)) || lengths.next().is_some() {
        return Err(bad("Content-Length is malformed."));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None)
            if coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && candidate.version == Version::HTTP_11
                && !headers.contains_key(header::CONTENT_LENGTH) =>
        {
            Ok(())
        }
        (Some(_), _) => Err(bad("Transfer-Encoding is malformed.")),
    }
}

fn is_decimal(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit)
}

/// Looks at a head of HTTP/1 as it was sent, for what its parser forgives or drops: lines that end with half of CR and LF,
/// a fragment behind the target, a length beside a coding.
///
/// # Errors
/// The answer for the client.
pub fn raw_head(raw: &[u8], is_chunked: bool) -> Result<(), Answer> {
    let is_sound = |line: &[u8]| line.last() == Some(&b'\r') && !line[..line.len() - 1].contains(&b'\r');
    let mut lines = raw.split(|byte| *byte == b'\n');
    // Nothing stands behind the last line.
    if lines.next_back().is_none_or(|rest| !rest.is_empty()) || !lines.clone().all(is_sound) {
        return Err(bad("A line does not end in CR and LF."));
    }
    if lines.next().is_some_and(|line| line.contains(&b'#')) {
        return Err(bad("The address is malformed."));
    }
    let mut names = lines.filter_map(|line| line.split(|byte| *byte == b':').next());
    if is_chunked && names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"content-length")) {
        return Err(bad("Content-Length and Transfer-Encoding do not go together."));
    }
    Ok(())
}

/// A 400 with a reason.
pub fn bad(detail: &'static str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
