//! Every line of the table of routes: slashes, methods, guards, headers.

use super::*;
use crate::http::guards::Guard;
use crate::http::routes::table;
use auth_api::operation::Access;
use http::header::ALLOW;

/// The path with something in place of its parameters.
fn concrete(path: &str) -> String {
    path.replace("{username}", "nobody").replace("{name}", "nothing")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_alike_with_and_without_a_slash() {
    let bench = Bench::new().await;
    let node = bench.node();
    for route in table() {
        let path = concrete(route.path);
        let call = |path: String| Call {
            method: route.method.clone(),
            path,
            headers: Vec::new(),
            body: None,
        };
        let plain = node.send(call(path.clone())).await;
        assert_ne!(plain.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        if path != "/" {
            let slashed = node.send(call(format!("{path}/"))).await;
            assert_eq!(plain.status, slashed.status, "{} {path}", route.method);
        }
        for (guard, status) in [
            (Guard::Call(Access::Session), StatusCode::UNAUTHORIZED),
            (Guard::PageSession, StatusCode::SEE_OTHER),
        ] {
            assert!(
                route.guard != guard || plain.status == status,
                "{} {path}: {}",
                route.method,
                plain.status
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_a_session_in_its_handler_has_a_guard_and_only_those() {
    let bench = Bench::new().await;
    let node = bench.node();
    let guarded: Vec<&str> = table()
        .iter()
        .filter(|route| route.guard == Guard::Call(Access::Session))
        .map(|route| route.path)
        .collect();
    assert_eq!(guarded, [api::USER_INFO]);
    for forged in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        for path in &guarded {
            let answer = node.send(Call::get(path).bearer(forged)).await;
            assert_eq!(
                (answer.status, answer.detail()),
                (StatusCode::UNAUTHORIZED, "Not authenticated".into())
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_text_is_nobodys_name_in_the_dialects_words() {
    let bench = Bench::new().await;
    let answer = bench.node().send(Call::get("/api/v1/user/%ff%fe")).await;
    assert_eq!(
        (answer.status, answer.detail()),
        (StatusCode::NOT_FOUND, "Not found".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn se_11_unused_methods_and_unknown_paths_are_refused_in_json() {
    let bench = Bench::new().await;
    let node = bench.node();
    let routes = table();
    for route in &routes {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::TRACE,
            Method::OPTIONS,
        ] {
            let path = concrete(route.path);
            if routes
                .iter()
                .any(|other| concrete(other.path) == path && other.method == method)
            {
                continue;
            }
            let answer = node
                .send(Call {
                    method: method.clone(),
                    ..Call::get(&path)
                })
                .await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.detail(), "Method not allowed");
            let allowed = answer.headers[ALLOW].to_str().unwrap();
            assert!(allowed.contains(route.method.as_str()), "{method} {path}: {allowed}");
        }
    }
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v2/user",
        "/metrics",
        "/internal/v1/nothing",
        "//",
    ] {
        let answer = node.send(Call::get(path)).await;
        assert_eq!(
            (answer.status, answer.detail()),
            (StatusCode::NOT_FOUND, "Not found".into()),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_8_every_answer_has_the_security_headers() {
    let bench = Bench::new().await;
    let node = bench.node();
    let mut calls: Vec<Call> = table()
        .iter()
        .map(|route| Call {
            method: route.method.clone(),
            ..Call::get(&concrete(route.path))
        })
        .collect();
    calls.push(Call::get("/nothing"));
    calls.push(Call {
        method: Method::DELETE,
        ..Call::get(api::LOGIN)
    });
    for call in calls {
        let path = call.path.clone();
        let answer = node.send(call).await;
        for header in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cache-control",
        ] {
            assert!(answer.headers.contains_key(header), "{path}: {header}");
        }
        if path != "/.well-known/jwks.json" && !path.starts_with("/static") {
            assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        }
    }
}
