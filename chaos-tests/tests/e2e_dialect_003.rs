//! The six calls of the dialect, literally as its document shows them, by programs that this project did not write:
//! curl sends, zbarimg reads the QR code, oathtool computes the code. At every load balancer.
#![cfg(test)]

use chaos_tests::clock;
use chaos_tests::shell::{Got, curl, oathtool, secret_of, zbarimg};
use cluster_harness::cluster::{Cluster, Options};
use serde_json::{Value, json};
use std::path::Path;

struct Calls<'a> {
    ca: &'a Path,
    url: &'a str,
}

impl Calls<'_> {
    fn post(&self, path: &str, body: &Value) -> Got {
        let body = body.to_string();
        curl(
            self.ca,
            &[
                "--header",
                "Content-Type: application/json",
                "--data",
                &body,
                &format!("{}{path}", self.url),
            ],
        )
        .unwrap()
    }

    fn get(&self, path: &str, more: &[&str]) -> Got {
        let url = format!("{}{path}", self.url);
        curl(self.ca, &[more, &[url.as_str()]].concat()).unwrap()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .map(|o| o.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

fn header_of(jwt: &str) -> String {
    // The first part of a token is base64url of its header; coreutils know base64.
    let mut part = jwt
        .split('.')
        .next()
        .unwrap_or_default()
        .replace('-', "+")
        .replace('_', "/");
    while !part.len().is_multiple_of(4) {
        part.push('=');
    }
    chaos_tests::shell::run("sh", &["-c", &format!("printf %s '{part}' | base64 -d")]).unwrap()
}

#[tokio::test]
async fn otp_10_six_calls_answer_as_the_document_says_at_both_load_balancers() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let ca = cluster.ca();
    for (number, url) in (1..).zip(cluster.urls()) {
        six_calls(
            &Calls { ca: &ca, url: &url },
            &format!("test_user{number}"),
            &format!("test_email{number}@gmail.com"),
        )
        .await;
        println!("six calls at {url}: 201 201 200 200 200 200");
    }
}

async fn six_calls(calls: &Calls<'_>, username: &str, email: &str) {
    let password = "test_password1";
    let body = json!({"username": username, "email": email, "password1": password, "password2": password});
    let created = calls.post("/api/v1/user", &body);
    assert_eq!(created.status, 201, "{}", created.text());
    let user = created.json();
    assert_eq!(keys(&user), ["created_at", "email", "is_active", "username", "uuid"]);
    assert_eq!(
        (&user["username"], &user["email"], &user["is_active"]),
        (&json!(username), &json!(email), &json!(true))
    );

    let image = calls.post(
        "/api/v1/auth-totp/qrcode",
        &json!({"username": username, "password": password}),
    );
    assert_eq!(image.status, 201, "{}", image.text());
    assert_eq!(image.header("content-type"), ["image/png"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code.png");
    std::fs::write(&file, &image.body).unwrap();
    let secret = secret_of(&zbarimg(&file).unwrap()).unwrap();

    let public = calls.get(&format!("/api/v1/user/{username}"), &[]);
    assert_eq!(public.status, 200, "{}", public.text());
    assert_eq!(
        keys(&public.json()),
        ["created_at", "is_active", "updated_at", "username"]
    );
    assert_eq!(public.json()["created_at"], user["created_at"]);

    clock::away_from_the_edge(2).await;
    let code = oathtool(&secret, clock::unix_seconds()).unwrap();
    let login = calls.post(
        "/api/v1/auth-jwt/login",
        &json!({"username": username, "password": password, "security_code": code}),
    );
    assert_eq!(login.status, 200, "{}", login.text());
    let tokens = login.json();
    assert_eq!(keys(&tokens), ["access_token", "refresh_token", "token_type"]);
    assert_eq!(tokens["token_type"], "Bearer");
    let (access, refresh) = (
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    );
    assert_eq!(
        (login.cookie("access_token"), login.cookie("refresh_token")),
        (Some(access), Some(refresh))
    );
    assert!(header_of(access).contains("RS256"), "{}", header_of(access));

    user_info(calls, access, &user);
    refresh_tokens(calls, refresh);
}

/// By header and by cookie.
fn user_info(calls: &Calls<'_>, access: &str, user: &Value) {
    for way in [
        ["--header", &format!("Authorization: Bearer {access}")],
        ["--cookie", &format!("access_token={access}")],
    ] {
        let info = calls.get("/api/v1/auth-jwt/user-info", &way);
        assert_eq!(info.status, 200, "{}", info.text());
        assert_eq!(
            keys(&info.json()),
            ["created_at", "email", "is_active", "updated_at", "username", "uuid"]
        );
        for field in ["created_at", "email", "is_active", "username", "uuid"] {
            assert_eq!(info.json()[field], user[field], "{field}");
        }
    }
    assert_eq!(calls.get("/api/v1/auth-jwt/user-info", &[]).status, 401);
}

/// By header, then its successor by cookie.
fn refresh_tokens(calls: &Calls<'_>, refresh: &str) {
    let by_header = calls.get(
        "/api/v1/auth-jwt/refresh",
        &[
            "--request",
            "POST",
            "--header",
            &format!("Authorization: Bearer {refresh}"),
        ],
    );
    assert_eq!(by_header.status, 200, "{}", by_header.text());
    let body = by_header.json();
    assert_eq!(body["token_type"], "Bearer");
    let access = body["access_token"].as_str().unwrap();
    assert_eq!(by_header.cookie("access_token"), Some(access));
    let successor = body["refresh_token"].as_str().unwrap();
    assert_ne!(successor, refresh);
    let by_cookie = calls.get(
        "/api/v1/auth-jwt/refresh",
        &["--request", "POST", "--cookie", &format!("refresh_token={successor}")],
    );
    assert_eq!(by_cookie.status, 200, "{}", by_cookie.text());
    let info = calls.get(
        "/api/v1/auth-jwt/user-info",
        &["--header", &format!("Authorization: Bearer {access}")],
    );
    assert_eq!(info.status, 200, "{}", info.text());
}
