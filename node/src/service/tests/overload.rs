//! A leader whose memory for the log is full: every surface says so in its words, nothing is done, and it passes.

use super::*;
use auth_core::command::{Command, MarkMailSent};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use http::header::RETRY_AFTER;

/// Room for some hundred entries.
const LOG_MEMORY_BYTES: u64 = 128 * 1024;
const ENTRIES_MAX: u128 = 10_000;
/// Time for one request: enough for a hash.
const SOON: Duration = Duration::from_secs(4);

/// Fills the log of the member, while somebody reads its tables and nothing can be purged.
async fn fill(bench: &Bench) {
    for number in 0..ENTRIES_MAX {
        let entry = Entry {
            request_id: RequestId(number.to_be_bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::MarkMailSent(MarkMailSent { key: 1 }),
        };
        let deadline = clock::monotonic() + Duration::from_millis(300);
        if let Err(refused) = bench.replication.propose(&entry, deadline).await {
            assert!(refused.overloaded && refused.not_executed, "{refused}");
            return;
        }
    }
    panic!("nothing was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_is_answered_with_503_overloaded_and_retry_after_until_there_is_room() {
    let limits = Limits {
        log_memory_bytes: LOG_MEMORY_BYTES,
        ..Limits::default()
    };
    let bench = Bench::with(limits).await;
    let node = bench.node();
    let reader = bench.replication.store().view();
    fill(&bench).await;
    let account = json!({"username": "ann", "email": "ann@example.org", "password": PASSWORD});
    let dialect = json!({
        "username": "ann", "email": "ann@example.org", "password1": PASSWORD, "password2": PASSWORD
    });
    let calls = [
        Call::post("/v1/accounts").json(&account),
        Call::post(api::USER).json(&dialect),
    ];
    for call in calls {
        let path = call.path.clone();
        let answer = node.send_within(call, SOON).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer:?}");
        assert_eq!(answer.headers[RETRY_AFTER], "1", "{path}");
        assert_eq!(answer.headers[headers::NOT_EXECUTED], "1", "{path}");
        if path.starts_with("/v1") {
            assert_eq!(answer.json()["code"], "overloaded", "{answer:?}");
        } else {
            assert_eq!(answer.detail(), "Overloaded, try again later");
        }
    }
    drop(reader);
    let answer = node.sign_up("ann").await;
    assert_eq!(
        answer.status,
        StatusCode::CREATED,
        "there is room again, and the name is free: {answer:?}"
    );
}
