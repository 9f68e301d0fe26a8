//! Every line of the table of routes: who may call it, slashes, methods, headers, and the document that describes it.

use super::*;
use crate::http::guards::Guard;
use crate::http::routes::table;
use auth_api::operation::{Access, Surface};
use auth_api::{operations, paths};
use http::header::ALLOW;

/// Every call of the wire contract and who may make it, written down a second time: a call that is added, or whose guard
/// changes, must be added or changed here, too.
const CALLS: &[(&str, &str, Access)] = &[
    ("POST", "/v1/accounts", Access::Open),
    ("GET", "/v1/account", Access::Session),
    ("DELETE", "/v1/account", Access::StepUp),
    ("POST", "/v1/account/password", Access::Session),
    ("POST", "/v1/account/email", Access::StepUp),
    ("POST", "/v1/account/email/confirm", Access::Open),
    ("POST", "/v1/password-reset", Access::Open),
    ("POST", "/v1/password-reset/confirm", Access::Open),
    ("POST", "/v1/login", Access::Open),
    ("POST", "/v1/login/challenges/{id}/email", Access::Open),
    ("POST", "/v1/login/challenges/{id}/verify", Access::Open),
    ("POST", "/v1/sessions/refresh", Access::Open),
    ("POST", "/v1/sessions/logout", Access::Session),
    ("GET", "/v1/sessions", Access::Session),
    ("DELETE", "/v1/sessions/{id}", Access::Session),
    ("DELETE", "/v1/sessions", Access::Session),
    ("POST", "/v1/sessions/step-up", Access::Session),
    ("GET", "/v1/factors", Access::Session),
    ("POST", "/v1/factors/totp", Access::Enrolment),
    ("POST", "/v1/factors/{id}/confirm", Access::Enrolment),
    ("DELETE", "/v1/factors/{id}", Access::StepUp),
    ("PUT", "/v1/factors/email", Access::StepUp),
    ("POST", "/v1/recovery-codes", Access::StepUp),
    ("GET", "/v1/devices", Access::Session),
    ("DELETE", "/v1/devices/{id}", Access::Session),
    ("GET", "/v1/audit", Access::Session),
    ("GET", "/v1/admin/accounts", Access::Admin),
    ("GET", "/v1/admin/accounts/{id}", Access::Admin),
    ("PATCH", "/v1/admin/accounts/{id}", Access::AdminStepUp),
    ("GET", "/v1/admin/audit", Access::Admin),
    ("GET", "/v1/admin/policy", Access::Admin),
    ("PUT", "/v1/admin/policy", Access::AdminStepUp),
    ("POST", "/v1/admin/policy/dry-run", Access::Admin),
    ("POST", "/auth/login", Access::Open),
    ("POST", "/auth/validate-2fa", Access::Open),
    ("PUT", "/users/update-profile", Access::Session),
    ("POST", "/auth/logout", Access::Open),
    ("POST", "/api/v1/user", Access::Open),
    ("GET", "/api/v1/user/{username}", Access::Open),
    ("POST", "/api/v1/auth-totp/qrcode", Access::Open),
    ("POST", "/api/v1/auth-jwt/login", Access::Open),
    ("GET", "/api/v1/auth-jwt/user-info", Access::Session),
    ("POST", "/api/v1/auth-jwt/refresh", Access::Open),
    ("POST", "/api/auth/login", Access::Open),
    ("POST", "/api/auth/verify-otp", Access::Open),
    ("POST", "/api/auth/refresh", Access::Open),
    ("POST", "/api/auth/logout", Access::Open),
    ("GET", "/.well-known/jwks.json", Access::Open),
    ("GET", "/openapi.json", Access::Open),
    ("GET", "/docs", Access::Open),
];

/// The path with something in place of its parameters.
fn concrete(path: &str) -> String {
    path.replace("{username}", "nobody")
        .replace("{name}", "nothing")
        .replace("{id}", "00000000000000000000000000000000")
}

/// An error in the words of its surface, as one line.
fn told(answer: &Answer, path: &str) -> String {
    let body = answer.json();
    let text = match Surface::of(path) {
        Surface::V1 => &body["code"],
        Surface::Dialect002 => &body["error"],
        Surface::Dialect003 => &body["detail"],
        Surface::Dialect004 => &body["error"]["code"],
    };
    text.as_str().unwrap_or_else(|| panic!("{path}: {body}")).to_owned()
}

fn bare(method: &str, path: &str) -> Call {
    Call {
        method: method.parse().unwrap(),
        ..Call::get(path)
    }
}

#[test]
fn the_table_the_document_and_the_list_of_this_test_have_the_same_calls() {
    let mut routed: Vec<(String, &str, Access)> = table()
        .iter()
        .filter_map(|route| match route.guard {
            Guard::Call(access) => Some((route.method.to_string(), route.path, access)),
            Guard::Page | Guard::PageSession => None,
        })
        .collect();
    let mut documented: Vec<(String, &str, Access)> = operations::ALL
        .iter()
        .map(|operation| (operation.method.as_str().to_owned(), operation.path, operation.access))
        .collect();
    let mut listed: Vec<(String, &str, Access)> = CALLS
        .iter()
        .map(|(method, path, access)| ((*method).to_owned(), *path, *access))
        .collect();
    for list in [&mut routed, &mut documented, &mut listed] {
        list.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    }
    assert_eq!(routed, documented);
    assert_eq!(routed, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_without_a_login_or_with_a_wrong_one_is_refused() {
    let bench = Bench::new().await;
    let node = bench.node();
    let refresh = node.tokens_of_new_user("ann").await.refresh;
    for (method, path, access) in CALLS {
        if *access == Access::Open {
            continue;
        }
        let at = concrete(path);
        let none = node.send(bare(method, &at)).await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        for wrong in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &refresh] {
            let answer = node.send(bare(method, &at).bearer(wrong)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "jw_4: {method} {path} {wrong}");
            assert_eq!(told(&answer, path), told(&none, path));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_administrator_is_refused_to_others() {
    let bench = Bench::new().await;
    let node = bench.node();
    let access_token = node.tokens_of_new_user("ann").await.access;
    for (method, path, access) in CALLS {
        let answer = node.send(bare(method, &concrete(path)).bearer(&access_token)).await;
        match access {
            Access::Admin | Access::AdminStepUp => {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
                assert_eq!(told(&answer, path), "forbidden");
            }
            // The guard lets the owner of a fresh session through: what comes then is about the body.
            Access::Session | Access::StepUp | Access::Enrolment => {
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            }
            Access::Open => {}
        }
        if *path == "/v1/sessions/logout" || (*method == "DELETE" && *path == "/v1/account") {
            return Box::pin(rest_after_logout(&node)).await;
        }
    }
}

/// The calls after one that ends the session, each with a session of its own.
async fn rest_after_logout(node: &Node) {
    for (at, (method, path, access)) in CALLS.iter().enumerate() {
        let user = node.tokens_of_new_user(&format!("user{at}")).await;
        let answer = node.send(bare(method, &concrete(path)).bearer(&user.access)).await;
        let is_admin = matches!(access, Access::Admin | Access::AdminStepUp);
        assert_eq!(
            answer.status == StatusCode::FORBIDDEN,
            is_admin,
            "{method} {path}: {answer:?}"
        );
        assert!(
            *access == Access::Open || answer.status != StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_alike_with_and_without_a_slash() {
    let bench = Bench::new().await;
    let node = bench.node();
    for route in table() {
        let path = concrete(route.path);
        let plain = node.send(bare(route.method.as_str(), &path)).await;
        assert_ne!(plain.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        if path != "/" {
            let slashed = node.send(bare(route.method.as_str(), &format!("{path}/"))).await;
            assert_eq!(plain.status, slashed.status, "{} {path}", route.method);
        }
        assert!(
            route.guard != Guard::PageSession || plain.status == StatusCode::SEE_OTHER,
            "{} {path}: {}",
            route.method,
            plain.status
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_7_every_change_is_refused_to_another_sites_page() {
    let bench = Bench::new().await;
    let node = bench.node();
    let access = node.tokens_of_new_user("ann").await.access;
    for (method, path, _) in CALLS.iter().filter(|(method, ..)| *method != "GET") {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let call = bare(method, &concrete(path)).header(name, value);
            let cookie = format!("__Host-access_token={access}; __Host-refresh_token={access}");
            let mut call = call.header("cookie", &cookie).header("content-type", "text/plain");
            call.body = Some(b"{}".to_vec());
            let answer = node.send(call).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {name}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_9_no_other_origin_is_allowed_to_read_anything() {
    let bench = Bench::new().await;
    let node = bench.node();
    for route in table() {
        for origin in ["https://evil.example", "null", ORIGIN] {
            let asked = bare("OPTIONS", &concrete(route.path))
                .header("access-control-request-method", route.method.as_str())
                .header("access-control-request-headers", "authorization, content-type");
            for call in [asked, bare(route.method.as_str(), &concrete(route.path))] {
                let answer = node.send(call.header("origin", origin)).await;
                let allows = answer
                    .headers
                    .keys()
                    .find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(allows, None, "{} {} {origin}", route.method, route.path);
            }
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
        let path = concrete(route.path);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"] {
            let served =
                |other: &&crate::http::routes::Route| concrete(other.path) == path && other.method.as_str() == method;
            // One path is covered by two patterns.
            if routes.iter().any(|other| served(&other)) || path.ends_with("/factors/email") {
                continue;
            }
            let answer = node.send(bare(method, &path)).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!told(&answer, &path).is_empty());
            let allowed = answer.headers[ALLOW].to_str().unwrap();
            assert!(allowed.contains(route.method.as_str()), "{method} {path}: {allowed}");
        }
    }
    for path in [
        "/nothing",
        "/v1/nothing",
        "/api/v1/nothing",
        "/api/v2/user",
        "/api/auth/nothing",
        "/auth/nothing",
        "/metrics",
        "/internal/v1/nothing",
        "//",
    ] {
        let answer = node.send(Call::get(path)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!told(&answer, path).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_8_every_answer_has_the_security_headers() {
    let bench = Bench::new().await;
    let node = bench.node();
    let mut calls: Vec<Call> = table()
        .iter()
        .map(|route| bare(route.method.as_str(), &concrete(route.path)))
        .collect();
    calls.push(Call::get("/nothing"));
    calls.push(bare("DELETE", api::LOGIN));
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
        if path != paths::JWKS && !path.starts_with("/static") {
            assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_as_expected_are_told_field_by_field() {
    let bench = Bench::new().await;
    let node = bench.node();
    let answer = node
        .send(Call::post("/v1/login").json(&json!({"identifier": "", "colour": 1})))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let body = answer.json();
    assert_eq!(body["code"], "invalid_request");
    let fields: Vec<&str> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["identifier", "password", "colour"]);
    // Dialects ignore what they do not know.
    let ignored = json!({"username": "nobody", "password": "wrong", "colour": 1});
    let answer = node.send(Call::post("/auth/login/").json(&ignored)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json(), json!({"error": "Invalid credentials"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_its_page_are_served() {
    let bench = Bench::new().await;
    let node = bench.node();
    let document = node.send(Call::get(paths::OPENAPI)).await;
    assert_eq!(document.status, StatusCode::OK);
    assert!(document.json()["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = node.send(Call::get(paths::DOCS)).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = String::from_utf8(page.body).unwrap();
    for operation in operations::ALL {
        let (method, path) = (operation.method.as_str(), operation.path);
        let heading = format!("{method}</span> {path}</code>");
        assert!(html.contains(&heading), "{method} {path}");
    }
    assert!(!html.contains("<script"));
}
