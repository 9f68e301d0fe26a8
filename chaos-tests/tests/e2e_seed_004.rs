//! The JavaScript class that the conditional OTP dialect's document shows, unchanged, in a browser, against a cluster.
#![cfg(test)]

use chaos_tests::mail::user::MailUser;
use chaos_tests::mail::{self, MailServer, free_port};
use chaos_tests::mailed_cluster::cluster_with_server;
use chaos_tests::skipping::skipped;
use chaos_tests::webdriver::{self, Chromium};
use serde_json::{Value, json};

/// As it stands in the document.
const CLASS: &str = include_str!("../fixtures/seed_004_auth_service.js");

struct Page {
    browser: Chromium,
}

impl Page {
    /// Calls a method of the class; what it returns, or `{"thrown": message}`.
    async fn call(&self, method: &str, arguments: [&str; 2]) -> Value {
        let body = format!(
            "{CLASS}\nconst authService = new AuthService();\nreturn await authService.{method}(given[0], given[1]);"
        );
        self.browser.run(&body, &arguments.map(Value::from)).await.unwrap()
    }

    async fn stored(&self) -> Value {
        let body = "return localStorage.getItem('accessToken');";
        self.browser.run(body, &[]).await.unwrap()
    }
}

#[tokio::test]
async fn the_seeds_class_logs_in_with_and_without_a_code() {
    if skipped(webdriver::missing().or_else(mail::missing), true) {
        return;
    }
    let port = free_port().unwrap();
    let server = MailServer::start(port, None).unwrap();
    let (cluster, native) = cluster_with_server(port).await.unwrap();
    let plain = MailUser::sign_up(&native, &server, "plain").await.unwrap();
    let coded = MailUser::with_codes(&native, &server, "coded").await.unwrap();

    let browser = Chromium::start().await.unwrap();
    browser.set_content_policy_aside().await.unwrap();
    browser.open(&format!("{}/login", cluster.urls()[0])).await.unwrap();
    let page = Page { browser };

    let (email, password) = (plain.person.email.as_str(), plain.person.password.as_str());
    let done = page.call("login", [email, password]).await;
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(page.stored().await, done["accessToken"]);
    let refused = page.call("login", [email, "not the password at all"]).await;
    assert!(
        refused["thrown"].as_str().is_some_and(|words| !words.is_empty()),
        "{refused}"
    );

    let (email, password) = (coded.person.email.as_str(), coded.person.password.as_str());
    let asked = page.call("login", [email, password]).await;
    let message = "Verificação OTP necessária. Um código foi enviado para seu e-mail.";
    assert_eq!(asked, json!({"requiresOtp": true, "email": email, "message": message}));
    let code = coded.mailed_code(&server, None).await.unwrap();
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let refused = page.call("verifyOtp", [email, wrong]).await;
    assert_eq!(refused, json!({"thrown": "Código OTP inválido ou expirado."}));
    let done = page.call("verifyOtp", [email, &code]).await;
    assert_eq!(done["success"], true, "{done}");
    let token = done["accessToken"].as_str().unwrap();
    assert_eq!(page.stored().await, token);
    let account = native.bearing(token).get("/v1/account").await.unwrap();
    assert_eq!(account.body["username"], "coded", "{}", account.body);
    // Nothing else that could be stolen is where scripts can read it.
    let cookies = page.browser.run("return document.cookie;", &[]).await.unwrap();
    assert_eq!(cookies, "", "cookies are for the browser only");
    println!("the seed's class: login, refusal, 428, wrong code, code: as its document says");
}

#[tokio::test]
async fn a_browser_ends_with_its_test_although_its_driver_was_killed() {
    if skipped(webdriver::missing(), true) {
        return;
    }
    let mut browser = Chromium::start().await.unwrap();
    let profile = browser.profile().to_owned();
    assert!(!webdriver::processes(&profile).is_empty(), "the browser runs");
    browser.kill_driver().unwrap();
    drop(browser);
    assert_eq!(webdriver::processes(&profile), []);
    assert!(!profile.exists());
}
