//! What keeps pages safe: headers on every answer, forms of this site only, escaping, errors that say little.

use super::*;
use crate::http::guards::Guard;
use crate::http::routes::table;
use crate::http::security_headers::SECURITY_HEADERS;

/// Paths that stand for a route with a parameter.
fn concrete(path: &str) -> String {
    let style = STYLE.path.trim_start_matches("/static/");
    path.replace("{name}", style).replace("{username}", "nobody")
}

#[tokio::test(flavor = "multi_thread")]
async fn se_8_every_route_and_every_error_has_the_headers() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let mut requests = vec![
        ("GET", "/nothing/here".to_owned()),
        ("GET", "/static/app.css".to_owned()),
    ];
    for route in table() {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"] {
            requests.push((method, concrete(route.path)));
            requests.push((method, format!("{}/", concrete(route.path).trim_end_matches('/'))));
        }
    }
    for (method, path) in requests {
        for accept in [ACCEPT_PAGES, "application/json"] {
            let request = Request::builder().method(method).uri(&path).header(ACCEPT, accept);
            let shown = browser.send(request.body(Body::empty()).unwrap()).await;
            for (name, value) in SECURITY_HEADERS {
                let found = shown.headers.get_all(&name).iter().count();
                assert_eq!(found, 1, "{name} on {method} {path}: {}", shown.status);
                if name != "cache-control" {
                    assert_eq!(shown.headers[&name], value, "{name} on {method} {path}");
                }
            }
            assert_ne!(shown.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}");
        }
        browser.jar.clear();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn general_errors_are_pages_for_browsers_and_json_for_programs() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/logout", 405),
        ("DELETE", "/login", 405),
    ] {
        for (accept, kind) in [(ACCEPT_PAGES, "text/html; charset=utf-8"), ("*/*", "application/json")] {
            let request = Request::builder().method(method).uri(path).header(ACCEPT, accept);
            let shown = browser.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(shown.status, status, "{method} {path}");
            assert_eq!(shown.headers[CONTENT_TYPE], kind, "{method} {path} {accept}");
            assert_eq!(shown.headers.contains_key("allow"), status == 405, "{method} {path}");
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn se_7_a_form_is_taken_from_our_own_pages_only() {
    let (app, node) = app().await;
    let forms = table()
        .into_iter()
        .filter(|route| route.method == Method::POST && route.guard == Guard::Page);
    for path in forms.map(|route| route.path) {
        let mut browser = Browser::new(&app);
        // The token of the login page, for its own cookie: right for /login and wrong for every other form.
        let token = browser.get("/login").await.token();
        let own = [("origin", ORIGIN), ("sec-fetch-site", "same-origin")];
        let none: [(&str, &str); 0] = [];
        let good: [(&str, &str); 1] = [("form_token", &token)];
        let mut cases = vec![
            ("no token", form(path, &none, &own)),
            (
                "a token of nobody",
                form(path, &[("form_token", &"A".repeat(43))], &own),
            ),
            ("another site", form(path, &good, &[("origin", "https://evil.example")])),
            (
                "another site, by fetch metadata",
                form(path, &good, &[("sec-fetch-site", "cross-site")]),
            ),
            ("a sandboxed page", form(path, &good, &[("origin", "null")])),
        ];
        if path != "/login" {
            cases.push(("the token of another form", form(path, &good, &own)));
        }
        for (case, request) in cases {
            let shown = browser.send(request).await;
            assert_eq!(shown.status, StatusCode::FORBIDDEN, "{case} on {path}");
            assert!(shown.body.contains("out of date"), "{case} on {path}");
        }
        browser.jar.clear();
        let shown = browser.send(form(path, &good, &own)).await;
        assert_eq!(shown.status, StatusCode::FORBIDDEN, "without the cookie on {path}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_form_is_refused() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    browser.get("/login").await;
    for (kind, body, status) in [
        ("application/json", "{}".to_owned(), 415),
        ("text/plain", "form_token=x".to_owned(), 415),
        ("application/x-www-form-urlencoded", "a=b&".repeat(20), 400),
        (
            "application/x-www-form-urlencoded",
            "a".repeat(auth_api::limits::BODY_BYTES_MAX + 1),
            413,
        ),
    ] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/login")
            .header(CONTENT_TYPE, kind);
        let shown = browser.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(shown.status, status, "{kind}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_escaped_wherever_they_are_shown() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let hostile = "\"><script>alert(1)</script>";
    let fields = [
        ("username", hostile),
        ("email", hostile),
        ("password", "x"),
        ("password_again", "y"),
    ];
    for page in [
        browser.fill("/signup", &fields).await,
        browser
            .fill("/login", &[("username", hostile), ("password", PASSWORD)])
            .await,
        browser
            .get(&format!("/login?notice={}", hostile.replace(['"', '<', '>'], "")))
            .await,
    ] {
        assert!(!page.body.contains("<script"), "{}", page.body);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_of_an_account_is_escaped() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let hostile = "<img\"'&onerror=alert(1)>";
    let secret = sign_up_and_enrol(&mut browser, hostile).await;
    let enrol = browser.get("/login/enrol").await.body;
    let code = code(&secret, step());
    browser
        .fill("/login/enrol", &[("code", &code)])
        .await
        .is_sent_to("/welcome");
    let welcome = browser.get("/welcome").await.body;
    assert!(
        welcome.contains("&#60;img&#34;&#39;&#38;onerror=alert(1)&#62;"),
        "{welcome}"
    );
    for page in [enrol, welcome] {
        assert!(!page.contains("<img"), "{page}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_10_fields_say_what_belongs_in_them() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let signup = browser.get("/signup").await.body;
    for part in [
        "autocomplete=\"username\"",
        "type=\"email\"",
        "autocomplete=\"email\"",
        "autocomplete=\"new-password\"",
    ] {
        assert!(signup.contains(part), "{part}");
    }
    assert_eq!(signup.matches("autocomplete=\"new-password\"").count(), 2);
    let login = browser.get("/login").await.body;
    for part in ["autocomplete=\"username\"", "autocomplete=\"current-password\""] {
        assert!(login.contains(part), "{part}");
    }
    sign_up_and_enrol(&mut browser, "maria").await;
    let enrol = browser.get("/login/enrol").await.body;
    let verify = browser.get("/login/verify").await.body;
    for page in [&enrol, &verify] {
        for part in ["autocomplete=\"one-time-code\"", "inputmode=\"numeric\""] {
            assert!(page.contains(part), "{part}");
        }
    }
    for page in [&signup, &login, &enrol, &verify] {
        assert!(
            !page.contains("<script") && !page.contains("onpaste") && !page.contains("style="),
            "{page}"
        );
        for input in page
            .split("<input ")
            .skip(1)
            .filter(|input| !input.starts_with("type=\"hidden\""))
        {
            let id = input.split('"').nth(1).unwrap();
            assert!(page.contains(&format!("<label for=\"{id}\">")), "{id} has no label");
        }
    }
    assert!(
        enrol.contains("otpauth://totp/") && enrol.contains("role=\"img\""),
        "{enrol}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_from_elsewhere_and_the_style_sheet_is_there() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let home = browser.get("/").await.body;
    assert!(!home.contains("http:") && !home.contains("https:"), "{home}");
    assert!(
        home.contains("lang=\"en\"") && home.contains("class=\"skip\""),
        "{home}"
    );
    let style = browser.get(&STYLE.path).await;
    style.shows(StatusCode::OK, "prefers-color-scheme: dark");
    assert_eq!(style.headers["cache-control"], "public, max-age=31536000, immutable");
    node.stop().await;
}
