//! Headers that cross the border: what clients may not say to nodes, what nodes may not say to clients, and what the load
//! balancer says itself. No decisions about requests.

use std::net::IpAddr;

use auth_api::headers::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, INTERNAL_PREFIX, OPERATION, REQUEST_ID, TRACEPARENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::answer::STRICT_TRANSPORT;
use crate::config::StrictTransport;
use crate::entropy::HexId;

/// Families of headers that speak about where a request came from or what it may do.
const FORGEABLE_PREFIXES: [&str; 7] = [
    INTERNAL_PREFIX,
    "x-forwarded-",
    "x-auth-",
    "x-raft-",
    "x-client-",
    "x-original-",
    "x-envoy-",
];
/// Single headers of the same kind, and those that end at this hop.
const FORGEABLE: [&str; 14] = [
    REQUEST_ID,
    "cf-connecting-ip",
    "early-data",
    "expect",
    "forwarded",
    "proxy-authorization",
    "tracestate",
    "true-client-ip",
    "via",
    "x-cluster-client-ip",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
];

/// Headers that a request gets at most.
const OWN_HEADERS_COUNT: usize = 8;

/// What is said to a node about a request.
pub struct Introduction<'a> {
    /// Id of the client's request.
    pub id: &'a HexId,
    /// Id of the operation; on mutating requests only.
    pub operation: Option<&'a HexId>,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// 64 random bits for a trace span.
    pub span: u64,
    /// Bytes of the body, all of which are here.
    pub body_bytes: usize,
}

/// The request for a node: without what clients may not say, and with what nodes need.
///
/// It is written anew: pingora remembers for every header in which case the client wrote its name, which no node asks for, and
/// which costs more than the header itself.
pub fn introduce(request: &RequestHeader, introduction: &Introduction<'_>) -> RequestHeader {
    let sent = &request.headers;
    let mut headers = HeaderMap::with_capacity(sent.len() + OWN_HEADERS_COUNT);
    for (name, value) in sent {
        if !is_forgeable(name) && !is_framing(name) {
            headers.append(name, value.clone());
        }
    }
    headers.insert(HeaderName::from_static(REQUEST_ID), id_value(introduction.id));
    if let Some(operation) = introduction.operation {
        headers.insert(HeaderName::from_static(OPERATION), id_value(operation));
    }
    if let Some(client) = introduction.client {
        headers.insert(HeaderName::from_static(FORWARDED_FOR), address_value(client));
    }
    headers.insert(
        HeaderName::from_static(FORWARDED_PROTO),
        HeaderValue::from_static("https"),
    );
    if let Some(host) = sent.get(header::HOST) {
        headers.insert(HeaderName::from_static(FORWARDED_HOST), host.clone());
    }
    let (trace_parent, is_from_client) = traceparent(sent, introduction);
    headers.insert(HeaderName::from_static(TRACEPARENT), trace_parent);
    if let Some(state) = sent.get(TRACESTATE).filter(|_| is_from_client) {
        headers.insert(HeaderName::from_static(TRACESTATE), state.clone());
    }
    // The whole body is in our hands, so its length is a fact and chunks are not needed.
    if introduction.body_bytes > 0 || introduction.operation.is_some() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(introduction.body_bytes));
    }
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method.clone();
    parts.uri = request.uri.clone();
    parts.version = request.version;
    parts.headers = headers;
    RequestHeader::from(parts)
}

fn id_value(id: &HexId) -> HeaderValue {
    // Never fails: hexadecimal digits.
    HeaderValue::from_bytes(id.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

/// An address in text, for the usual kind without the machinery of formatting.
fn address_value(address: IpAddr) -> HeaderValue {
    let text = match address.to_canonical() {
        IpAddr::V4(address) => {
            let mut text = [0; "255.255.255.255".len()];
            let mut length = 0;
            let mut write = |byte| {
                text[length] = byte;
                length += 1;
            };
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    write(b'.');
                }
                if octet >= 100 {
                    write(b'0' + octet / 100);
                }
                if octet >= 10 {
                    write(b'0' + octet / 10 % 10);
                }
                write(b'0' + octet % 10);
            }
            HeaderValue::from_bytes(&text[..length])
        }
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()),
    };
    // Never fails: digits, letters, dots and colons.
    text.unwrap_or(HeaderValue::from_static(""))
}

const TRACESTATE: &str = "tracestate";

/// Removes what nodes say to us only, and says what every answer says.
///
/// # Errors
/// Never in practice: all values are well formed.
pub fn present(response: &mut ResponseHeader, id: &HexId, strict: StrictTransport) -> Result<()> {
    for name in names_where(&response.headers, |name| name.as_str().starts_with(INTERNAL_PREFIX)) {
        response.remove_header(&name);
    }
    response.remove_header(&header::SERVER);
    response.remove_header(&header::VIA);
    // Names as text: pingora would write down anew any that is not.
    response.insert_header(REQUEST_ID, id.as_bytes())?;
    match strict {
        StrictTransport::Announced => {
            response.insert_header("strict-transport-security", STRICT_TRANSPORT)?;
        }
        StrictTransport::Silent => {
            response.remove_header(&header::STRICT_TRANSPORT_SECURITY);
        }
    }
    Ok(())
}

/// Header names that match; allocates only when there are any.
fn names_where(headers: &HeaderMap, test: impl Fn(&HeaderName) -> bool) -> Vec<HeaderName> {
    headers.keys().filter(|name| test(name)).cloned().collect()
}

/// Names with an underscore are dropped as well: some programs read `_` as `-`.
fn is_forgeable(name: &HeaderName) -> bool {
    let name = name.as_str();
    FORGEABLE.contains(&name) || name.contains('_') || FORGEABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What says how long the body is.
fn is_framing(name: &HeaderName) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name)
}

/// The trace context of the client when it is valid, otherwise a new one named after the request; and which of the two.
fn traceparent(sent: &HeaderMap, introduction: &Introduction<'_>) -> (HeaderValue, bool) {
    if let Some(value) = sent.get(TRACEPARENT).filter(|value| is_traceparent(value.as_bytes())) {
        return (value.clone(), true);
    }
    let span = HexId::from_bits(introduction.span.max(1).into());
    let mut text = *b"00-................................-................-01";
    text[3..35].copy_from_slice(introduction.id.as_bytes());
    text[36..52].copy_from_slice(&span.as_bytes()[16..]);
    // Never fails: hexadecimal digits and dashes.
    (
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("")),
        false,
    )
}

/// W3C Trace Context, version 00.
fn is_traceparent(value: &[u8]) -> bool {
    let parts: [(usize, usize); 3] = [(3, 32), (36, 16), (53, 2)];
    let is_lower_hex = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    value.len() == 55
        && value.starts_with(b"00-")
        && value[35] == b'-'
        && value[52] == b'-'
        && parts
            .iter()
            .all(|(start, length)| is_lower_hex(&value[*start..start + length]))
        && value[3..35].iter().any(|byte| *byte != b'0')
        && value[36..52].iter().any(|byte| *byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn introduced(sent: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("POST", b"/", None).expect("a request");
        for (name, value) in sent {
            request.append_header(*name, *value).expect("a header");
        }
        let introduction = Introduction {
            id: &HexId::from_bits(1),
            operation: Some(&HexId::from_bits(2)),
            client: Some("::ffff:192.0.2.7".parse().expect("an address")),
            span: 5,
            body_bytes: 3,
        };
        introduce(&request, &introduction)
    }

    #[test]
    fn th_7_nothing_that_a_client_says_about_its_origin_survives() {
        let request = introduced(&[
            ("Host", "auth.example.com"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-For", "5.6.7.8"),
            ("X_Forwarded_For", "1.2.3.4"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Prefix", "/evil"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Real-IP", "1.2.3.4"),
            ("X-Request-Id", "mine"),
            ("X-TFAuth-Operation", "mine"),
            ("X-Tfauth-Anything", "mine"),
            ("Authorization", "Bearer t"),
        ]);
        let mut names: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "authorization",
                "content-length",
                "host",
                "traceparent",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-request-id",
                "x-tfauth-operation",
            ]
        );
        assert_eq!(
            request.headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(),
            ["192.0.2.7"]
        );
        assert_eq!(request.headers["x-request-id"], HexId::from_bits(1).as_str());
        assert_eq!(request.headers["x-tfauth-operation"], HexId::from_bits(2).as_str());
        assert_eq!(request.headers["x-forwarded-host"], "auth.example.com");
        assert_eq!(
            request.headers["traceparent"],
            format!("00-{}-0000000000000005-01", HexId::from_bits(1))
        );
    }

    #[test]
    fn a_valid_trace_context_passes_and_any_other_is_replaced() {
        assert_eq!(introduced(&[("traceparent", TRACE)]).headers["traceparent"], TRACE);
        assert_eq!(
            introduced(&[("traceparent", TRACE), ("tracestate", "a=b")]).headers["tracestate"],
            "a=b"
        );
        let replaced = introduced(&[("traceparent", "00-xyz"), ("tracestate", "a=b")]);
        assert_ne!(replaced.headers["traceparent"], "00-xyz");
        assert!(!replaced.headers.contains_key("tracestate"));
        for bad in [
            &TRACE[1..],
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &TRACE.to_uppercase(),
        ] {
            assert!(!is_traceparent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in [
            "0.0.0.0",
            "1.20.255.9",
            "10.100.99.200",
            "255.255.255.255",
            "2001:db8::7",
            "::1",
        ] {
            assert_eq!(address_value(text.parse().expect("an address")), text);
        }
    }

    #[test]
    fn headers_that_come_more_than_once_are_passed_on_as_often() {
        let request = introduced(&[("X-A", "1"), ("Accept", "a"), ("x-a", "2")]);
        assert_eq!(request.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn the_length_of_the_body_is_told_and_chunks_are_gone() {
        let request = introduced(&[("Transfer-Encoding", "chunked")]);
        assert_eq!(request.headers["content-length"], "3");
        assert!(!request.headers.contains_key("transfer-encoding"));
    }

    #[test]
    fn a_client_sees_no_internal_header() {
        let mut response = ResponseHeader::build(200, None).expect("a response");
        for (name, value) in [
            ("Server", "x"),
            ("x-tfauth-not-executed", "1"),
            ("x-tfauth-y", "1"),
            ("etag", "a"),
        ] {
            response.append_header(name, value).expect("a header");
        }
        present(&mut response, &HexId::from_bits(1), StrictTransport::Announced).expect("valid headers");
        let mut names: Vec<_> = response.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["etag", "strict-transport-security", "x-request-id"]);
    }
}
