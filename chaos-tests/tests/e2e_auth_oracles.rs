//! Codes and tokens as programs see them that this project did not write: oathtool, pyotp, PyJWT.
#![cfg(test)]

use chaos_tests::api::Call;
use chaos_tests::clock;
use chaos_tests::python;
use chaos_tests::shell::{oathtool, run};
use chaos_tests::site::{Site, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// RFC 6238, appendix B.
const TIMES: [u64; 6] = [
    59,
    1_111_111_109,
    1_111_111_111,
    1_234_567_890,
    2_000_000_000,
    20_000_000_000,
];
const TOTP: [(&str, &str, [&str; 6]); 3] = [
    (
        "SHA1",
        "3132333435363738393031323334353637383930",
        ["94287082", "07081804", "14050471", "89005924", "69279037", "65353130"],
    ),
    (
        "SHA256",
        "3132333435363738393031323334353637383930313233343536373839303132",
        ["46119246", "68084774", "67062674", "91819424", "90698825", "77737706"],
    ),
    (
        "SHA512",
        "31323334353637383930313233343536373839303132333435363738393031323334353637383930313233343536373839303132333435363738393031323334",
        ["90693936", "25091201", "99943326", "93441116", "38618901", "47863826"],
    ),
];
/// RFC 4226, appendix D.
const HOTP: [&str; 10] = [
    "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
];

/// Calls of every kind that needs an access token, and what they answer to one that is none.
const PROTECTED: [(&str, &str, u16); 9] = [
    ("GET", "/v1/account", 401),
    ("POST", "/v1/account/email", 401),
    ("POST", "/v1/factors/totp", 401),
    ("GET", "/v1/admin/accounts", 401),
    ("PUT", "/v1/admin/policy", 401),
    ("POST", "/v1/sessions/logout", 401),
    ("PUT", "/users/update-profile/", 401),
    ("GET", "/api/v1/auth-jwt/user-info", 401),
    // A page sends whoever is not logged in to the login.
    ("GET", "/welcome", 303),
];
/// Calls that take a refresh token as bearer.
const REFRESHING: [&str; 2] = ["/v1/sessions/refresh", "/api/v1/auth-jwt/refresh"];

#[test]
fn otp_1_oathtool_and_pyotp_compute_the_codes_of_the_rfcs() {
    for (algorithm, seed, codes) in TOTP {
        for (time, code) in TIMES.into_iter().zip(codes) {
            let (mode, now) = (format!("--totp={}", algorithm.to_lowercase()), format!("@{time}"));
            let computed = run("oathtool", &[mode.as_str(), "--digits=8", "-N", &now, seed]).unwrap();
            assert_eq!(computed, code, "{algorithm} at {time}");
        }
    }
    let computed = run("oathtool", &["--hotp", "-w", "9", TOTP[0].1]).unwrap();
    assert_eq!(computed.lines().collect::<Vec<_>>(), HOTP);

    let Some(python) = python::interpreter_or_skipped() else {
        return;
    };
    let vectors: Value = serde_json::from_str(&python::run(&python, "codes.py", &["vectors"]).unwrap()).unwrap();
    assert_eq!(vectors["rfc_4226"], json!(HOTP));
    for (algorithm, _, codes) in TOTP {
        assert_eq!(vectors[algorithm], json!(codes));
    }
}

#[tokio::test]
async fn otp_1_jw_1_jw_2_jw_3_jw_4_codes_of_others_log_in_and_forged_tokens_are_refused_everywhere() {
    let site = Site::start().await.unwrap();
    let mut user = site.user("ana").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let jwks = published_keys(&site, folder.path()).await;
    let python = python::interpreter_or_skipped();
    if let Some(python) = &python {
        believed(&site, &user, python, &jwks);
        forged(&site, &user, python, &jwks).await;
    }
    log_in_by(&site, &mut user, "oathtool", |secret, time| {
        oathtool(secret, time).unwrap()
    })
    .await;
    if let Some(python) = &python {
        let mut other = site.user("ben").await.unwrap();
        let totp =
            |secret: &str, time: u64| python::run(python, "codes.py", &["totp", secret, &time.to_string()]).unwrap();
        log_in_by(&site, &mut other, "pyotp", totp).await;
    }
}

async fn published_keys(site: &Site, folder: &Path) -> PathBuf {
    let answer = site
        .expect(200, Call::new("GET", "/.well-known/jwks.json"))
        .await
        .unwrap();
    let path = folder.join("jwks.json");
    std::fs::write(&path, answer.body.to_string()).unwrap();
    path
}

/// A code of the next step that was not used, computed by somebody else.
async fn log_in_by(site: &Site, user: &mut User, who: &str, code_at: impl Fn(&str, u64) -> String) {
    let ours = user.account.wait_for_code().await;
    // Which step that was: the present one or a neighbour.
    let steps = clock::step() - 1..=clock::step() + 1;
    let step = steps
        .into_iter()
        .find(|step| user.account.code_at(*step) == ours)
        .unwrap();
    let theirs = code_at(&user.account.secret, step * clock::STEP_SECONDS);
    let answer = site.api().log_in(&user.account.person, &theirs).await.unwrap();
    assert_eq!(answer.status, 200, "a code of {who}: {}", answer.body);
    println!("a code of {who} logged in");
}

/// PyJWT believes both tokens, each for what it is.
fn believed(site: &Site, user: &User, python: &Path, jwks: &Path) {
    let issuer = &site.cluster.urls()[0];
    let jwks = jwks.to_string_lossy();
    let verify = |token: &str, audience: &str, typ: &str| {
        python::run(python, "tokens.py", &["verify", &jwks, issuer, audience, typ, token])
    };
    let claims: Value = serde_json::from_str(&verify(&user.access, "tfauth", "at+jwt").unwrap()).unwrap();
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal2"), &json!(["pwd", "otp"]))
    );
    for personal in ["ana", "example.org"] {
        assert!(!claims.to_string().contains(personal), "se_6: {claims}");
    }
    for (token, audience, typ) in [
        (&user.access, "somebody else", "at+jwt"),
        (&user.access, "tfauth", "rt+jwt"),
        (&user.refresh, "tfauth", "at+jwt"),
    ] {
        assert!(verify(token, audience, typ).is_err(), "{audience} {typ}");
    }
}

/// Every forgery at every kind of call; and the true token is taken afterwards as before.
async fn forged(site: &Site, user: &User, python: &Path, jwks: &Path) {
    let jwks = jwks.to_string_lossy();
    let forge = |token: &str| -> BTreeMap<String, String> {
        serde_json::from_str(&python::run(python, "tokens.py", &["forge", &jwks, token]).unwrap()).unwrap()
    };
    let of_access = forge(&user.access);
    assert!(of_access.len() >= 70, "{}", of_access.len());
    for (method, path, status) in PROTECTED {
        for (name, token) in &of_access {
            let call = Call::new(method, path);
            // A page reads its token from the cookie; where a header is read, both must be refused.
            let call = if status == 303 {
                call.header("cookie", &format!("__Host-access_token={token}"))
                    .header("accept", "text/html")
            } else {
                call.bearer(token)
            };
            let call = if method == "GET" { call } else { call.json(json!({})) };
            let answer = site.call(call).await.unwrap();
            assert_eq!(answer.status, status, "{method} {path}: {name}: {}", answer.body);
        }
    }
    let of_refresh = forge(&user.refresh);
    for path in REFRESHING {
        for (name, token) in of_refresh.iter().chain(&of_access) {
            let answer = site.call(Call::new("POST", path).bearer(token)).await.unwrap();
            assert_eq!(answer.status, 401, "{path}: {name}: {}", answer.body);
        }
        let answer = site.call(Call::new("POST", path).bearer(&user.access)).await.unwrap();
        assert_eq!(
            answer.status, 401,
            "jw_4: an access token refreshes nothing: {}",
            answer.body
        );
    }
    for (method, path, status) in PROTECTED.iter().filter(|(.., status)| *status == 401) {
        let call = Call::new(method, path).bearer(&user.refresh);
        let answer = site.call(call.json(json!({}))).await.unwrap();
        assert_eq!(answer.status, *status, "jw_4: a refresh token opens nothing: {path}");
    }
    site.expect(200, Call::new("GET", "/v1/account").bearer(&user.access))
        .await
        .unwrap();
    println!(
        "{} forgeries of an access token at {} calls, {} of a refresh token at {}: all refused",
        of_access.len(),
        PROTECTED.len(),
        of_refresh.len(),
        REFRESHING.len()
    );
}
