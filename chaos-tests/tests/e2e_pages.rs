//! A person signs up, connects an authenticator app and logs in, page by page, each page from another load balancer.
#![cfg(test)]

use chaos_tests::browser::{Browser, Form, form};
use chaos_tests::clock;
use chaos_tests::shell::{Got, oathtool, secret_of};
use cluster_harness::cluster::{Cluster, Options};

const PASSWORD: &str = "violet harbour ladder 29";

/// Pages of a site that two load balancers serve, one after the other.
struct Site {
    origins: Vec<String>,
    browser: Browser,
    turn: std::cell::Cell<usize>,
}

impl Site {
    fn origin(&self) -> &str {
        self.turn.set(self.turn.get() + 1);
        &self.origins[self.turn.get() % self.origins.len()]
    }

    fn page(&self, path: &str) -> String {
        let got = self.browser.open(&format!("{}{path}", self.origin())).unwrap();
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        got.text()
    }

    fn send(&self, form: &Form, filled: &[(&str, &str)]) -> Got {
        self.browser.submit(self.origin(), form, filled).unwrap()
    }

    /// Opens the page of a form and sends it.
    fn fill(&self, path: &str, filled: &[(&str, &str)]) -> Got {
        self.send(&form(&self.page(path), path).unwrap(), filled)
    }
}

fn goes_to(got: &Got, path: &str) {
    assert!(
        [302, 303].contains(&got.status),
        "a redirect to {path}, not {}: {}",
        got.status,
        got.text()
    );
    let location = got.header("location");
    assert!(
        location
            .iter()
            .any(|l| l.split('?').next().is_some_and(|l| l.ends_with(path))),
        "{location:?} is not {path}"
    );
}

fn secret_in(page: &str) -> String {
    let address = page
        .split('"')
        .find(|part| part.starts_with("otpauth://"))
        .unwrap_or_else(|| panic!("no seed: {page}"));
    secret_of(&address.replace("&amp;", "&").replace("&#38;", "&")).unwrap()
}

#[tokio::test]
async fn a_person_signs_up_and_logs_in_page_by_page() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let site = Site {
        origins: cluster.urls(),
        browser: Browser::new(&cluster.ca()).unwrap(),
        turn: std::cell::Cell::new(0),
    };
    let person = [
        ("username", "marta"),
        ("email", "marta@example.org"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    goes_to(&site.fill("/signup", &person), "/login");

    // The first time: password, then the app is connected with its first code.
    let credentials = [("username", "marta"), ("password", PASSWORD)];
    goes_to(&site.fill("/login", &credentials), "/login/enrol");
    let page = site.page("/login/enrol");
    assert!(page.contains("<svg"), "the QR code is drawn");
    let secret = secret_in(&page);
    clock::away_from_the_edge(5).await;
    let code = oathtool(&secret, clock::unix_seconds()).unwrap();
    goes_to(
        &site.send(&form(&page, "/login/enrol").unwrap(), &[("code", &code)]),
        "/welcome",
    );
    let welcome = site.page("/welcome");
    assert!(
        welcome.contains("marta") && welcome.to_lowercase().contains("congratulations"),
        "{welcome}"
    );

    // Out, and in again: password, then a code that was not used.
    let out = site.send(&form(&welcome, "/logout").unwrap(), &[]);
    goes_to(&out, "/login");
    let anonymous = site.browser.open(&format!("{}/welcome", site.origin())).unwrap();
    assert!(
        !anonymous.text().to_lowercase().contains("congratulations"),
        "the page is for those who are logged in"
    );
    goes_to(&site.fill("/login", &credentials), "/login/verify");
    let page = site.page("/login/verify");
    let verify = form(&page, "/login/verify").unwrap();
    let used = site.send(&verify, &[("code", &code)]);
    assert_eq!(used.status, 401, "a used code: {}", used.text());
    let next = oathtool(&secret, clock::unix_seconds() + clock::STEP_SECONDS).unwrap();
    goes_to(&site.send(&verify, &[("code", &next)]), "/welcome");
    assert!(site.page("/welcome").contains("marta"));
}

#[tokio::test]
async fn se_7_forms_of_other_sites_are_refused() {
    let cluster = Cluster::start(Options {
        nodes: 1,
        lbs: 1,
        ..Options::default()
    })
    .await
    .unwrap();
    let browser = Browser::new(&cluster.ca()).unwrap();
    let origin = &cluster.urls()[0];
    let page = browser.open(&format!("{origin}/signup")).unwrap();
    let mut forged = form(&page.text(), "/signup").unwrap();
    for (name, value) in &mut forged.fields {
        if name == "form_token" {
            *value = "forged".to_owned();
        }
    }
    let person = [
        ("username", "eve"),
        ("email", "eve@example.org"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    assert_eq!(browser.submit(origin, &forged, &person).unwrap().status, 403);
    let headers = page.headers.to_lowercase();
    for header in [
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
    ] {
        assert!(headers.contains(header), "{header} is missing: {headers}");
    }
    // For a name of its own the load balancer announces it; here it would bind every other program on localhost.
    assert!(
        !headers.contains("strict-transport-security"),
        "not for localhost: {headers}"
    );
    assert!(!headers.contains("\nserver:"), "no banner: {headers}");
}
