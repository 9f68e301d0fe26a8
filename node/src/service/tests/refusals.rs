//! Refusals that no entry records leave a line in the log.

use super::*;
use std::io::Write;
use std::sync::Mutex;
use tracing::instrument::WithSubscriber as _;

/// What was logged while a call was answered.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The answer to a call, and the lines about refusals that it left.
async fn told(node: &Node, call: Call) -> (Answer, Vec<Value>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let answer = node.send(call).with_subscriber(subscriber).await;
    let written = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(written).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (answer, rows.filter(|row| row["target"] == "refused").collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_1_a_missing_role_and_an_old_proof_leave_a_line_with_account_session_and_address() {
    let bench = Bench::new().await;
    let node = bench.node();
    bench.confirmed_user(&node, "ann").await;
    let access = node.v1_login("ann", PASSWORD).await.token("access_token");
    let pending = json!({"label": "phone"});
    let pending = node
        .v1(Method::POST, "/v1/factors/totp", &access, Some(&pending))
        .await
        .json();
    let confirm = format!("/v1/factors/{}/confirm", pending["id"].as_str().unwrap());
    let code = json!({"code": Totp::new(pending["secret"].as_str().unwrap()).code(0)});
    let bound = node.v1(Method::POST, &confirm, &access, Some(&code)).await;
    assert!(bound.status.is_success(), "{bound:?}");
    let token = node.auth.access_token(&access).unwrap();
    let accounts = Call::get("/v1/admin/accounts").bearer(&access);
    // The session proved a password only, and the account has an app now.
    let codes = Call::post("/v1/recovery-codes").bearer(&access).json(&json!({}));
    for (call, method, route, code) in [
        (accounts, "GET", "/v1/admin/accounts", "forbidden"),
        (codes, "POST", "/v1/recovery-codes", "step_up_required"),
    ] {
        let (answer, lines) = told(&node, call).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        for (name, value) in [
            ("event", "not_allowed"),
            ("account", token.account.hex().as_str()),
            ("session", token.session.hex().as_str()),
            ("address", "192.0.2.7"),
            ("method", method),
            ("route", route),
            ("code", code),
        ] {
            assert_eq!(line[name], value, "{name} of {line}");
        }
        assert!(!line.to_string().contains(&access), "{line}");
    }
    let (answer, lines) = told(&node, Call::get("/v1/account").bearer(&access)).await;
    assert_eq!((answer.status, lines.len()), (StatusCode::OK, 0), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_1_a_guess_over_the_budget_leaves_a_line_with_account_and_address() {
    let bench = Bench::new().await;
    let node = bench.node();
    let ann = node.tokens_of_new_user("ann").await;
    let account = node.auth.access_token(&ann.access).unwrap().account.hex();
    for (name, account) in [("ann", account.as_str()), ("nobody", "none")] {
        for _ in 0..5 {
            let (answer, lines) = told(&node, login(name, "wrong password", "000000")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
            assert_eq!(lines.len(), 0, "in the audit instead: {lines:?}");
        }
        let (answer, lines) = told(&node, login(name, PASSWORD, "000000")).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        for (field, value) in [
            ("event", "over_budget"),
            ("account", account),
            ("address", "192.0.2.7"),
            ("verb", "log_in"),
            ("code", "too_many_attempts"),
        ] {
            assert_eq!(line[field], value, "{field} of {line}");
        }
    }
}
