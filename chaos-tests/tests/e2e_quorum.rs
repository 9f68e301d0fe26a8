//! Without a majority nothing is answered as valid; with one again, everything is, without a hand.
#![cfg(test)]

use chaos_tests::api::{Api, Person};
use chaos_tests::limits::{RECOVERY_MAX, REQUEST_SECONDS_MAX};
use chaos_tests::pool::Account;
use cluster_harness::cluster::{Cluster, Options};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn av_2_a_minority_answers_503_and_recovers_by_itself() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let mut account = Account::enrol(&apis[0], "ana").await.unwrap();
    let code = account.wait_for_code().await;
    let tokens = apis[0].log_in(&account.person, &code).await.unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.body);

    let leader = cluster.find_leader().await.unwrap();
    let other = ["node-1", "node-2", "node-3"]
        .into_iter()
        .find(|n| *n != leader)
        .unwrap();
    cluster.members().kill_together(&[&leader, other]).await.unwrap();
    println!("killed {leader} (the leader) and {other}");
    let code = account.wait_for_code().await;
    for api in &apis {
        expect_503(api, "login", api.log_in(&account.person, &code)).await;
        expect_503(api, "refresh", api.refresh(&tokens.text("refresh_token"))).await;
        expect_503(api, "creation", api.create(&Person::new("late"))).await;
    }

    cluster.members().restart(other).await.unwrap();
    let back = Instant::now();
    loop {
        let code = account.wait_for_code().await;
        let answer = apis[0].log_in(&account.person, &code).await;
        if answer.as_ref().is_ok_and(|a| a.status == 200) {
            break;
        }
        assert!(
            back.elapsed() < RECOVERY_MAX + Duration::from_secs(60),
            "no recovery: {answer:?}"
        );
    }
    println!(
        "a login succeeded {} ms after a majority was back",
        back.elapsed().as_millis()
    );
    // Whatever became of the requests before, the account exists once and the session lives.
    let created = apis[1].create(&Person::new("late")).await.unwrap();
    assert!([201, 409].contains(&created.status), "{}", created.body);
    let refreshed = apis[1].refresh(&tokens.text("refresh_token")).await.unwrap();
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
}

async fn expect_503(api: &Api, what: &str, request: impl Future<Output = Result<chaos_tests::api::Answer, String>>) {
    let asked = Instant::now();
    let answer = request
        .await
        .unwrap_or_else(|e| panic!("{what} at {}: no answer: {e}", api.url()));
    println!(
        "{what} without a majority: {} after {} ms",
        answer.status,
        asked.elapsed().as_millis()
    );
    assert_eq!(answer.status, 503, "{what} at {}: {}", api.url(), answer.body);
    assert!(asked.elapsed() < Duration::from_secs(REQUEST_SECONDS_MAX), "{what}");
    assert!(
        answer.headers.contains_key("retry-after"),
        "{what}: a 503 says when to come back"
    );
    assert!(!answer.text("detail").is_empty(), "{what}: {}", answer.body);
}
