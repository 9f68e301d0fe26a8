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

/// Removes what clients may not say, and says what nodes need.
///
/// # Errors
/// Never in practice: all values are well formed.
pub fn introduce(request: &mut RequestHeader, introduction: &Introduction<'_>) -> Result<()> {
    let trace_parent = traceparent(request, introduction);
    let trace_state = if trace_parent.1 {
        request.headers.get(TRACESTATE).cloned()
    } else {
        None
    };
    let host = request.headers.get(header::HOST).cloned();
    for name in names_where(&request.headers, is_forgeable) {
        request.remove_header(&name);
    }
    request.insert_header(HeaderName::from_static(REQUEST_ID), introduction.id.as_bytes())?;
    if let Some(operation) = introduction.operation {
        request.insert_header(HeaderName::from_static(OPERATION), operation.as_bytes())?;
    }
    if let Some(client) = introduction.client {
        request.insert_header(
            HeaderName::from_static(FORWARDED_FOR),
            client.to_canonical().to_string(),
        )?;
    }
    request.insert_header(HeaderName::from_static(FORWARDED_PROTO), "https")?;
    if let Some(host) = host {
        request.insert_header(HeaderName::from_static(FORWARDED_HOST), host)?;
    }
    request.insert_header(HeaderName::from_static(TRACEPARENT), trace_parent.0)?;
    if let Some(trace_state) = trace_state {
        request.insert_header(HeaderName::from_static(TRACESTATE), trace_state)?;
    }
    // The whole body is in our hands, so its length is a fact and chunks are not needed.
    request.remove_header(&header::TRANSFER_ENCODING);
    if introduction.body_bytes > 0 || introduction.operation.is_some() {
        request.insert_header(header::CONTENT_LENGTH, introduction.body_bytes)?;
    } else {
        request.remove_header(&header::CONTENT_LENGTH);
    }
    Ok(())
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
    response.insert_header(HeaderName::from_static(REQUEST_ID), id.as_bytes())?;
    match strict {
        StrictTransport::Announced => {
            response.insert_header(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT)?;
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

/// The trace context of the client when it is valid, otherwise a new one named after the request; and which of the two.
fn traceparent(request: &RequestHeader, introduction: &Introduction<'_>) -> (HeaderValue, bool) {
    if let Some(value) = request
        .headers
        .get(TRACEPARENT)
        .filter(|value| is_traceparent(value.as_bytes()))
    {
        return (value.clone(), true);
    }
    let span = introduction.span.max(1);
    let text = format!("00-{}-{span:016x}-01", introduction.id);
    (
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")),
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
        introduce(&mut request, &introduction).expect("valid headers");
        request
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
