//! The whole way: sign up, log in, connect an app, welcome, log out, and back in with a code.

use super::*;

/// A code in the two groups that apps show, as people type it.
fn typed(code: &str) -> String {
    format!(" {} {} ", &code[..3], &code[3..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_up_connects_an_app_and_logs_in_twice() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    browser.get("/").await.shows(StatusCode::OK, "href=\"/signup\"");
    let step = step();

    let secret = sign_up_and_enrol(&mut browser, "maria").await;
    browser
        .fill("/login/enrol", &[("code", &typed(&code(&secret, step)))])
        .await
        .is_sent_to("/welcome");
    assert!(
        !browser.jar.contains_key("__Host-login_challenge"),
        "the challenge is used up"
    );
    browser
        .get("/welcome")
        .await
        .shows(StatusCode::OK, "Congratulations, <bdi>maria</bdi>!");
    for path in ["/", "/login", "/signup"] {
        browser.get(path).await.is_sent_to("/welcome");
    }

    let token = browser.get("/welcome").await.token();
    let access = browser.jar["__Host-access_token"].clone();
    let left = browser.post("/logout", &[("form_token", &token)]).await;
    left.is_sent_to("/login?notice=logged_out");
    assert_eq!(left.headers["clear-site-data"], "\"storage\"");
    let kept: Vec<&String> = browser.jar.keys().collect();
    assert_eq!(kept, ["__Host-device"], "the device stays known, and nothing else");
    browser
        .get("/login?notice=logged_out")
        .await
        .shows(StatusCode::OK, "You are logged out.");
    browser.get("/welcome").await.is_sent_to("/login");
    browser.jar.insert("__Host-access_token".into(), access);
    browser.get("/welcome").await.is_sent_to("/login");
    browser.jar.clear();

    browser
        .fill("/login", &[("username", "maria"), ("password", PASSWORD)])
        .await
        .is_sent_to("/login/verify");
    browser.get("/login/enrol").await.is_sent_to("/login/verify");
    let used = browser.fill("/login/verify", &[("code", &code(&secret, step))]).await;
    used.shows(StatusCode::UNAUTHORIZED, "role=\"alert\"");
    assert!(
        used.body.contains("Invalid code"),
        "a used code is refused: {}",
        used.body
    );
    browser
        .fill("/login/verify", &[("code", &code(&secret, step + 1))])
        .await
        .is_sent_to("/welcome");
    browser.get("/welcome").await.shows(StatusCode::OK, "Congratulations");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn se_6_session_cookies_have_every_attribute_and_forms_change_at_login() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let secret = sign_up_and_enrol(&mut browser, "maria").await;
    let step = step();
    let before = browser.jar["__Host-form"].clone();
    let done = browser.fill("/login/enrol", &[("code", &code(&secret, step))]).await;
    done.is_sent_to("/welcome");
    let cookies = done.set_cookies();
    for name in ["__Host-access_token", "__Host-refresh_token"] {
        assert!(
            cookies.iter().any(|cookie| cookie.starts_with(&format!("{name}=e"))),
            "{name}"
        );
    }
    for cookie in cookies {
        for part in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{part} is missing in {cookie}");
        }
        assert!(!cookie.contains("Domain") && !cookie.contains("maria"), "{cookie}");
    }
    browser.get("/welcome").await;
    assert_ne!(
        browser.jar["__Host-form"], before,
        "forms of before the login are worth nothing after it"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_an_unknown_name_and_one_with_a_wrong_password_look_alike() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    sign_up_and_enrol(&mut browser, "maria").await;
    let mut pages = Vec::new();
    for name in ["maria", "nobody"] {
        let mut browser = Browser::new(&app);
        let page = browser
            .fill("/login", &[("username", name), ("password", "not the password")])
            .await;
        page.shows(StatusCode::UNAUTHORIZED, "Invalid credentials");
        assert!(!page.body.contains("not the password"));
        pages.push(page.body.replace(&page.token(), "").replace(name, ""));
    }
    assert_eq!(pages[0], pages[1]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn th_2_a_wait_is_told_when_too_many_codes_were_wrong() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    sign_up_and_enrol(&mut browser, "maria").await;
    for _ in 1..auth_core::limits::CHALLENGE_ANSWERS_MAX {
        let page = browser.fill("/login/enrol", &[("code", "wrong")]).await;
        page.shows(StatusCode::UNAUTHORIZED, "Invalid code");
        assert!(
            page.body.contains("<svg") && page.body.contains("class=\"secret\""),
            "the key can still be scanned"
        );
    }
    browser
        .fill("/login/enrol", &[("code", "wrong")])
        .await
        .is_sent_to("/login?notice=login_expired");
    let blocked = browser
        .fill("/login", &[("username", "maria"), ("password", PASSWORD)])
        .await;
    blocked.shows(StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Try again in");
    assert!(blocked.headers.contains_key("retry-after"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_is_gone_leads_back_to_the_login() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    for path in ["/login/verify", "/login/enrol", "/welcome"] {
        browser.get(path).await.is_sent_to("/login");
    }
    browser.jar.insert(
        "__Host-login_challenge".into(),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
    );
    browser
        .get("/login/enrol")
        .await
        .is_sent_to("/login?notice=login_expired");
    browser.jar.insert(
        "__Host-login_challenge".into(),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
    );
    browser
        .fill("/login/verify", &[("code", "123456")])
        .await
        .is_sent_to("/login?notice=login_expired");
    assert!(!browser.jar.contains_key("__Host-login_challenge"));
    browser
        .get("/login?notice=login_expired")
        .await
        .shows(StatusCode::OK, "Please start again.");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_new_account_is_told_at_its_field() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    sign_up_and_enrol(&mut browser, "maria").await;
    let fields = |username, email, password, again| {
        [
            ("username", username),
            ("email", email),
            ("password", password),
            ("password_again", again),
        ]
    };
    let taken = browser
        .fill("/signup", &fields("Maria", "m@example.org", PASSWORD, PASSWORD))
        .await;
    taken.shows(StatusCode::CONFLICT, "id=\"username-error\"");
    assert!(taken.body.contains("value=\"Maria\"") && taken.body.contains("value=\"m@example.org\""));
    let differ = browser
        .fill("/signup", &fields("ana", "a@example.org", PASSWORD, "another one"))
        .await;
    differ.shows(StatusCode::BAD_REQUEST, "id=\"password_again-error\"");
    let bad = browser
        .fill("/signup", &fields("", "no address", "short", "short"))
        .await;
    bad.shows(StatusCode::BAD_REQUEST, "User name must not be empty.");
    for field in ["username", "email"] {
        bad.shows(StatusCode::BAD_REQUEST, &format!("id=\"{field}-error\""));
        assert!(
            bad.body.contains(&format!("aria-describedby=\"{field}")),
            "{field}: {}",
            bad.body
        );
    }
    let short = browser
        .fill("/signup", &fields("ana", "a@example.org", "short", "short"))
        .await;
    short.shows(StatusCode::BAD_REQUEST, "Password must have at least 8 characters.");
    for page in [taken, differ, bad, short] {
        assert!(
            page.body.contains("role=\"alert\" tabindex=\"-1\" autofocus"),
            "{}",
            page.body
        );
        assert!(page.body.contains("<title>Error: "), "{}", page.body);
        for password in [PASSWORD, "another one", "short"] {
            assert!(
                !page.body.contains(&format!("value=\"{password}\"")),
                "a password came back"
            );
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn se_2_logging_out_ends_the_session_even_when_the_access_token_has_gone() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let secret = sign_up_and_enrol(&mut browser, "maria").await;
    let code = code(&secret, step());
    browser
        .fill("/login/enrol", &[("code", &code)])
        .await
        .is_sent_to("/welcome");
    let access = browser.jar["__Host-access_token"].clone();
    let token = browser.get("/welcome").await.token();
    browser.jar.remove("__Host-access_token");
    browser
        .post("/logout", &[("form_token", &token)])
        .await
        .is_sent_to("/login?notice=logged_out");
    browser.jar.insert("__Host-access_token".into(), access);
    browser.get("/welcome").await.is_sent_to("/login");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av_2_a_page_says_to_try_again_when_nothing_can_be_kept() {
    let (app, node) = app().await;
    let mut browser = Browser::new(&app);
    let token = browser.get("/login").await.token();
    node.stop().await;
    let fields = [("username", "maria"), ("password", PASSWORD), ("form_token", &token)];
    let page = browser.post("/login", &fields).await;
    page.shows(StatusCode::SERVICE_UNAVAILABLE, "Please try again.");
    assert!(page.body.contains("href=\"/login\">Try again"), "{}", page.body);
    assert!(page.headers.contains_key("retry-after"));
    assert!(
        page.set_cookies().is_empty(),
        "nobody is let in: {:?}",
        page.set_cookies()
    );
}
