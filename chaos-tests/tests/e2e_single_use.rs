//! A code works once in the whole cluster, however many ask at the same time, and whoever dies afterwards.
#![cfg(test)]

use chaos_tests::api::{Api, Person};
use chaos_tests::clock;
use chaos_tests::pool::Account;
use cluster_harness::cluster::{Cluster, Options};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const PARALLEL: usize = 30;

#[tokio::test]
async fn otp_3_code_is_accepted_once_in_parallel_and_after_the_leader_dies() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    // Enrolled with the code of now; the one that is sent many times is the next, and stays in the window.
    clock::away_from_the_edge(20).await;
    let mut account = Account::enrol(&apis[0], "ana").await.unwrap();
    let code = account.next_code().unwrap();

    let counts = send_many(&apis, &account.person, &code).await;
    println!("one code, {PARALLEL} times in parallel: {counts:?}");
    assert_eq!(counts.get(&200), Some(&1), "exactly one succeeds: {counts:?}");
    assert_eq!(
        counts.get(&401),
        Some(&(PARALLEL - 1)),
        "the others are refused: {counts:?}"
    );

    let leader = cluster.find_leader().await.unwrap();
    cluster.members().kill(&leader).await.unwrap();
    cluster.members().restart(&leader).await.unwrap();
    for api in &apis {
        let again = api.log_in(&account.person, &code).await.unwrap();
        assert_eq!(
            again.status, 401,
            "after {leader} was killed and came back: {}",
            again.body
        );
    }
    let fresh = account.wait_for_code().await;
    let next = apis[1].log_in(&account.person, &fresh).await.unwrap();
    assert_eq!(next.status, 200, "a new code still works: {}", next.body);
}

async fn send_many(apis: &[Api], person: &Person, code: &str) -> BTreeMap<u16, usize> {
    let mut tasks = JoinSet::new();
    for (_, api) in (0..PARALLEL).zip(apis.iter().cycle()) {
        let (api, person, code) = (api.clone(), person.clone(), code.to_owned());
        tasks.spawn(async move { api.log_in(&person, &code).await.unwrap().status });
    }
    let mut counts = BTreeMap::new();
    while let Some(status) = tasks.join_next().await {
        *counts.entry(status.unwrap()).or_default() += 1;
    }
    counts
}
