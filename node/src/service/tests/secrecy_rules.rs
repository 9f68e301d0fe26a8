//! Where secrets may and may not be: requirements that no single verb shows.

use super::*;
use crate::resealing::{Resealer, Step};
use crate::secrets::Purpose;
use crate::telemetry::metrics::Metrics;
use auth_core::query;
use auth_core::secret::Sealed;

fn stored_password(bench: &Bench, name: &str) -> ([u8; 16], Sealed) {
    let view = bench.replication.view();
    let account = query::account_by_username(&view, name).unwrap().unwrap();
    (account.id.0, account.password)
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_8_a_stolen_hash_is_worthless_without_the_key_ring_and_the_key_changes_without_its_owner() {
    let bench = Bench::new().await;
    let app = bench.node().enrolled("ann").await;
    let (account, stored) = stored_password(&bench, "ann");
    assert!(
        !stored.0.windows(6).any(|bytes| bytes == b"argon2"),
        "nothing to crack in the row"
    );
    // The right password does not help without the key; with it, the hash is one of this password.
    let foreign = KeyRing::of_tests(1, &[(1, [9; 32])]);
    assert!(foreign.open(Purpose::PasswordHash, &account, &stored).is_err());
    let phc = bench.ring.open(Purpose::PasswordHash, &account, &stored).unwrap();
    assert!(phc.starts_with(b"$argon2id$"));

    let both = Arc::new(KeyRing::of_tests(2, &[(1, [7; 32]), (2, [9; 32])]));
    let mut resealer = Resealer::new(bench.replication.clone(), Arc::clone(&both), Metrics::new().unwrap());
    while resealer.step().await.unwrap() != Step::Finished {}
    let (_, anew) = stored_password(&bench, "ann");
    assert_ne!(anew, stored);
    let only_new = KeyRing::of_tests(2, &[(2, [9; 32])]);
    assert_eq!(
        only_new.open(Purpose::PasswordHash, &account, &anew).unwrap(),
        phc,
        "the same hash, another key"
    );
    let after = Bench { ring: both, ..bench };
    let answer = after.node().log_in("ann", PASSWORD, &app.code(0)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn se_10_browsers_are_told_to_forget_at_every_logout() {
    let bench = Bench::new().await;
    let node = bench.node();
    for (name, path) in [
        ("ann", "/v1/sessions/logout"),
        ("ben", "/auth/logout"),
        ("cat", "/api/auth/logout"),
    ] {
        let user = node.tokens_of_new_user(name).await;
        let cookies = format!(
            "__Host-access_token={}; __Host-refresh_token={}",
            user.access, user.refresh
        );
        let call = Call::post(path)
            .header("sec-fetch-site", "same-origin")
            .header("origin", ORIGIN)
            .header("cookie", &cookies);
        let call = match path {
            "/auth/logout" => call.json(&json!({"refresh_token": user.refresh})),
            _ => call,
        };
        let answer = node.send(call).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        let told = answer.headers["clear-site-data"].to_str().unwrap();
        assert!(told.contains("\"storage\""), "{path}: {told}");
        assert_eq!(answer.cookie("__Host-access_token").as_deref(), Some(""), "{path}");
    }
}

#[test]
fn se_10_no_call_takes_a_secret_in_its_address() {
    let secret = ["token", "password", "code", "secret", "key"];
    for operation in auth_api::operations::ALL {
        for field in operation.query {
            assert!(
                !secret.iter().any(|word| field.name.contains(word)),
                "{} {}",
                operation.id,
                field.name
            );
        }
    }
}
