//! What the corpus consists of: requests that two programs could read differently, and requests that are simply wrong.

use std::fmt::Write as _;

/// Everything.
pub(super) fn all() -> Vec<Case> {
    [framing(), oddities(), words(), chunks(), hosts(), lines(), targets()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
}

impl Case {
    /// Whether its line or a header is longer than any head may be: the client must be told so.
    pub(super) fn is_head_too_long(&self) -> bool {
        self.what.ends_with("of 1 MiB")
    }
}

fn case(what: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    Case {
        what,
        bytes: bytes.into(),
    }
}

/// A request that must never be seen by the node.
pub(super) const HIDDEN: &str = "GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A POST with these headers, and behind them something that may be its body or a request of its own.
fn post(what: &'static str, headers: &str, rest: &str) -> Case {
    case(
        what,
        format!("POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{rest}"),
    )
}

fn get(what: &'static str, line: &str, headers: &str) -> Case {
    case(what, format!("{line}\r\n{headers}\r\n"))
}

/// Lengths and codings that contradict each other or themselves.
fn framing() -> Vec<Case> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let length = HIDDEN.len();
    vec![
        post("CL.TE", "content-length: 4\r\ntransfer-encoding: chunked\r\n", &chunked),
        post(
            "TE.CL",
            "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
            &format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        ),
        post(
            "two codings in two lines",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            &chunked,
        ),
        post(
            "two different lengths",
            &format!("content-length: 0\r\ncontent-length: {length}\r\n"),
            HIDDEN,
        ),
        post(
            "two equal lengths",
            "content-length: 2\r\ncontent-length: 2\r\n",
            &format!("{{}}{HIDDEN}"),
        ),
        post("a list of lengths", &format!("content-length: 0, {length}\r\n"), HIDDEN),
        post(
            "a coding with a space before its colon",
            "transfer-encoding : chunked\r\n",
            &chunked,
        ),
        post(
            "a length with a space before its colon",
            "content-length : 0\r\n",
            HIDDEN,
        ),
        post(
            "a length after a tab",
            "content-length:\t2\u{b}\r\n",
            &format!("{{}}{HIDDEN}"),
        ),
        post(
            "a coding in a folded line",
            "transfer-encoding:\r\n chunked\r\n",
            &chunked,
        ),
        post(
            "a folded header that hides a length",
            &format!("x-a: b\r\n content-length: {length}\r\n"),
            HIDDEN,
        ),
        post(
            "an underscore for a dash",
            &format!("content_length: {length}\r\ncontent-length: 0\r\nx: y\r\ntransfer-encoding: chunked\r\n"),
            &chunked,
        ),
    ]
}

/// Bytes where none belong, and requests for another protocol.
fn oddities() -> Vec<Case> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    vec![
        post(
            "a bare CR before a coding",
            "x-a: b\rtransfer-encoding: chunked\r\n",
            &chunked,
        ),
        post("a NUL in a header", "x-a: b\0c\r\ncontent-length: 2\r\n", "{}"),
        post("a NUL in a header name", "x-\0a: b\r\ncontent-length: 2\r\n", "{}"),
        post("a header without a colon", "x-a\r\ncontent-length: 2\r\n", "{}"),
        post("a header without a name", ": x\r\ncontent-length: 2\r\n", "{}"),
        post(
            "an upgrade with a request behind it",
            "connection: upgrade\r\nupgrade: websocket\r\n",
            HIDDEN,
        ),
        post(
            "an upgrade to another protocol",
            "connection: upgrade\r\nupgrade: foo\r\ncontent-length: 0\r\n",
            HIDDEN,
        ),
        post(
            "an upgrade to plain HTTP/2",
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
            HIDDEN,
        ),
        case(
            "chunks over HTTP/1.0",
            format!("POST /v1/accounts HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"),
        ),
        post(
            "an expectation that is none",
            "expect: 200-ok\r\ncontent-length: 2\r\n",
            "{}",
        ),
    ]
}

/// Words for codings and lengths that are none.
fn words() -> Vec<Case> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let te = |what, value: &str| post(what, &format!("transfer-encoding: {value}\r\n"), &chunked);
    let mut cases = Vec::new();
    for (what, value) in [
        ("an unknown coding", "xchunked"),
        ("a coding in quotes", "\"chunked\""),
        ("two codings in one line", "gzip, chunked"),
        ("a coding after identity", "identity, chunked"),
        ("a coding twice", "chunked, chunked"),
        ("a coding with a parameter", "chunked;q=1"),
        ("a coding with a vertical tab", "\u{b}chunked"),
        ("a coding that is cut off", "chunke"),
        ("no coding at all", ""),
    ] {
        cases.push(te(what, value));
    }
    for (what, value) in [
        ("a signed length", "+2"),
        ("a negative length", "-2"),
        ("a length in hexadecimal", "0x2"),
        ("a length with a fraction", "2.0"),
        ("a length that overflows", "18446744073709551618"),
        ("an empty length", ""),
        ("a length with a space", "2 2"),
    ] {
        cases.push(post(
            what,
            &format!("content-length: {value}\r\n"),
            &format!("{{}}{HIDDEN}"),
        ));
    }
    cases
}

/// Chunks that are no chunks.
fn chunks() -> Vec<Case> {
    let chunked = |what, body: &str| post(what, "transfer-encoding: chunked\r\n", body);
    vec![
        chunked("a chunk size with a sign", &format!("+2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}")),
        chunked(
            "a chunk size with a prefix",
            &format!("0x2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        chunked(
            "a chunk size that overflows",
            &format!("10000000000000002\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        chunked(
            "a chunk longer than it says",
            &format!("1\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        chunked("a chunk that ends without CRLF", &format!("2\r\n{{}}0\r\n\r\n{HIDDEN}")),
        chunked(
            "a chunk extension of 100 KiB",
            &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100 * 1024)),
        ),
        chunked(
            "trailers of 100 KiB",
            &format!("2\r\n{{}}\r\n0\r\nx-a: {}\r\n\r\n", "x".repeat(100 * 1024)),
        ),
    ]
}

/// Hosts that are missing, foreign or in the wrong place.
fn hosts() -> Vec<Case> {
    let host = "host: localhost\r\n";
    vec![
        get("no Host", "GET / HTTP/1.1", ""),
        get("two Hosts", "GET / HTTP/1.1", "host: localhost\r\nhost: localhost\r\n"),
        get("another Host", "GET / HTTP/1.1", "host: evil.example.com\r\n"),
        get("an empty Host", "GET / HTTP/1.1", "host:\r\n"),
        get(
            "a Host with a user",
            "GET / HTTP/1.1",
            "host: localhost@evil.example.com\r\n",
        ),
        get("a Host with a path", "GET / HTTP/1.1", "host: localhost/evil\r\n"),
        get(
            "a list of Hosts",
            "GET / HTTP/1.1",
            "host: localhost, evil.example.com\r\n",
        ),
        get(
            "an absolute target with the same host",
            "GET http://localhost/ HTTP/1.1",
            host,
        ),
        get(
            "an absolute target with another host",
            "GET https://evil.example.com/ HTTP/1.1",
            host,
        ),
        get("an authority for a target", "CONNECT localhost:443 HTTP/1.1", host),
        get("a star for a target", "OPTIONS * HTTP/1.1", host),
    ]
}

/// Lines and headers that nobody should send.
fn lines() -> Vec<Case> {
    let host = "host: localhost\r\n";
    vec![
        get("HTTP/0.9", "GET /", ""),
        get("HTTP/2 in words", "GET / HTTP/2.0", host),
        get("HTTP/1.2", "GET / HTTP/1.2", host),
        get("a version in lower case", "GET / http/1.1", host),
        get("spaces in the line", "GET  /  HTTP/1.1", host),
        get("a space in the target", "GET /a b HTTP/1.1", host),
        get("a method with a colon", "GE:T / HTTP/1.1", host),
        get(
            "a nomination of Host",
            "GET / HTTP/1.1",
            "host: localhost\r\nconnection: host\r\n",
        ),
        get(
            "a nomination of what we say",
            "GET / HTTP/1.1",
            "host: localhost\r\nconnection: x-forwarded-for\r\n",
        ),
        get(
            "more nominations than anybody needs",
            "GET / HTTP/1.1",
            &format!("host: localhost\r\nconnection: {}\r\n", vec!["a"; 50].join(",")),
        ),
        get(
            "bare LF after the line",
            "GET / HTTP/1.1\nhost: localhost\nx-a: b\n",
            "",
        ),
        get("a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n", ""),
        case(
            "a header of 1 MiB",
            format!("GET / HTTP/1.1\r\n{host}x-a: {}\r\n\r\n", "x".repeat(1 << 20)),
        ),
        case(
            "a line of 1 MiB",
            format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(1 << 20)),
        ),
        case(
            "bytes that are no text",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n".to_vec(),
        ),
    ]
}

/// Too many headers, and targets that lead elsewhere.
fn targets() -> Vec<Case> {
    let host = "host: localhost\r\n";
    let mut cases = Vec::new();
    let mut many = String::new();
    for index in 0..300 {
        let _ = write!(many, "x-{index}: y\r\n");
    }
    cases.push(get("300 headers", "GET / HTTP/1.1", &format!("{host}{many}")));
    for target in [
        "//",
        "/a//b",
        "/..",
        "/a/../login",
        "/a/..%2flogin",
        "/%2e%2e/login",
        "/login%2fverify",
        "/login%5cverify",
        "/login%00",
        "/login%0d%0ax",
        "/login\\verify",
        "/login%",
        "/login%zz",
        "/login#x",
        "/login;x=../..",
        "/internal/v1/status",
        "/INTERNAL/v1/status",
        "/%69nternal/v1/status",
        "/metrics",
        "/raft/append",
    ] {
        cases.push(get("a target", &format!("GET {target} HTTP/1.1"), host));
    }
    cases
}
