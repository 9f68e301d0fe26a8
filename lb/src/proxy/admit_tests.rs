//! What is let in, and what is not.

use super::*;

fn hosts() -> HostList {
    HostList::parse(&["auth.example.com".to_string()]).expect("a host name")
}

fn status_of(method: Method, target: &str, headers: &[(header::HeaderName, &str)]) -> u16 {
    let mut map: HeaderMap = [(header::HOST, HeaderValue::from_static("auth.example.com"))]
        .into_iter()
        .collect();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let candidate = Candidate {
        method: &method,
        version: Version::HTTP_11,
        target: target.as_bytes(),
        authority: None,
        headers: &map,
    };
    admit(&candidate, &hosts()).map_or_else(|answer| answer.status.as_u16(), |_| 200)
}

/// Whether an address is sound, served or not.
fn status_of_target(sent: &str) -> u16 {
    target(sent.as_bytes()).map_or_else(|answer| answer.status.as_u16(), |()| 200)
}

#[test]
fn ordinary_addresses_are_let_in() {
    for target in [
        "/",
        "/login",
        "/login/",
        "/api/v1/user/a%40b.example",
        "/a.b/..c/...",
        "/x?next=//y/../%2f",
        "/%7Eada",
    ] {
        assert_eq!(status_of_target(target), 200, "{target}");
    }
}

#[test]
fn addresses_that_could_be_read_in_two_ways_are_refused() {
    for target in [
        "",
        "*",
        "login",
        "http://auth.example.com/",
        "//",
        "/a//b",
        "/.",
        "/..",
        "/a/../b",
        "/a/%2e%2E/b",
        "/%2e",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a%0d%0ab",
        "/a%",
        "/a%g0",
        "/a#b",
        "/a b",
        "/\u{e9}",
    ] {
        assert_eq!(status_of_target(target), 400, "{target}");
    }
    assert_eq!(status_of_target(&format!("/{}", "a".repeat(TARGET_BYTES_MAX))), 414);
}

#[test]
fn internal_paths_do_not_exist() {
    for target in [
        "/internal",
        "/internal/v1/status",
        "/INTERNAL/x",
        "/%69nternal/v1/status",
        "/metrics",
        "/metrics?x",
        "/raft/append",
    ] {
        assert_eq!(status_of_target(target), 404, "{target}");
    }
    assert_eq!(status_of_target("/internals"), 200);
}

#[test]
fn only_listed_paths_and_methods_are_let_in() {
    for (method, target) in [
        (Method::GET, "/"),
        (Method::HEAD, "/login/"),
        (Method::POST, "/v1/login"),
        (Method::PUT, "/v1/factors/email"),
        (Method::PATCH, "/v1/admin/accounts/7"),
        (Method::DELETE, "/v1/sessions/7?x=/y"),
    ] {
        assert_eq!(status_of(method.clone(), target, &[]), 200, "{method} {target}");
    }
    for target in ["/wp-login.php", "/v1/unknown", "/static/a/b", "/login.php"] {
        assert_eq!(status_of(Method::GET, target, &[]), 404, "{target}");
    }
    for method in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "POST"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method token");
        assert_eq!(status_of(method.clone(), "/", &[]), 405, "{method}");
    }
}

#[test]
fn se_12_ambiguous_framing_is_refused() {
    let framings: [&[(header::HeaderName, &str)]; 9] = [
        &[(header::CONTENT_LENGTH, "4"), (header::CONTENT_LENGTH, "4")],
        &[(header::CONTENT_LENGTH, "4, 4")],
        &[(header::CONTENT_LENGTH, "+4")],
        &[(header::CONTENT_LENGTH, "")],
        &[(header::TRANSFER_ENCODING, "chunked"), (header::CONTENT_LENGTH, "4")],
        &[(header::TRANSFER_ENCODING, "gzip, chunked")],
        &[
            (header::TRANSFER_ENCODING, "chunked"),
            (header::TRANSFER_ENCODING, "chunked"),
        ],
        &[(header::TRANSFER_ENCODING, "xchunked")],
        &[(header::UPGRADE, "websocket")],
    ];
    for headers in framings {
        assert_eq!(status_of(Method::POST, "/v1/login", headers), 400, "{headers:?}");
    }
    assert_eq!(
        status_of(Method::POST, "/v1/login", &[(header::TRANSFER_ENCODING, "Chunked")]),
        200
    );
}

#[test]
fn headers_have_a_limit_in_number_and_size() {
    let many = |count: usize| vec![(header::ACCEPT, "a"); count];
    assert_eq!(status_of(Method::GET, "/", &many(HEADERS_COUNT_MAX - 1)), 200);
    assert_eq!(status_of(Method::GET, "/", &many(HEADERS_COUNT_MAX)), 431);
    let large = "a".repeat(HEADERS_BYTES_MAX);
    assert_eq!(status_of(Method::GET, "/", &[(header::ACCEPT, &large)]), 431);
}

#[test]
fn the_host_must_be_one_of_ours_and_given_once() {
    let status = |headers: &[&str], authority: Option<&str>| {
        let map: HeaderMap = headers
            .iter()
            .map(|host| (header::HOST, HeaderValue::from_str(host).expect("a header value")))
            .collect();
        let candidate = Candidate {
            method: &Method::GET,
            version: Version::HTTP_11,
            target: b"/",
            authority,
            headers: &map,
        };
        admit(&candidate, &hosts()).map_or_else(|answer| answer.status.as_u16(), |_| 200)
    };
    assert_eq!(status(&["auth.example.com:8443"], None), 200);
    assert_eq!(status(&[], Some("auth.example.com")), 200);
    assert_eq!(status(&["evil.example.com"], None), 421);
    assert_eq!(status(&[], Some("evil.example.com")), 421);
    assert_eq!(status(&[], None), 400);
    assert_eq!(status(&["auth.example.com", "auth.example.com"], None), 400);
}

#[test]
fn se_12_what_the_parser_forgives_is_refused() {
    let status =
        |raw: &[u8], is_chunked| raw_head(raw, is_chunked).map_or_else(|answer| answer.status.as_u16(), |()| 200);
    let both = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH : 3\r\n\r\n";
    assert_eq!((status(both, true), status(both, false)), (400, 200));
    assert_eq!(status(b"POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n", true), 200);
    for raw in [
        &b"GET / HTTP/1.1\nhost: a\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: a\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\n",
        b"GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\nrest",
        b"GET /#x HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        assert_eq!(status(raw, false), 400, "{:?}", String::from_utf8_lossy(raw));
    }
    assert_eq!(status(b"GET /?q HTTP/1.1\r\nx-a: #\r\n\r\n", false), 200);
}
