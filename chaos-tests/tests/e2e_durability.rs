//! Everything is killed at once; what was acknowledged is there afterwards.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::pool::Account;
use cluster_harness::cluster::{Cluster, Options};

const ACCOUNTS: usize = 5;

#[tokio::test]
async fn a_kill_of_everything_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let mut people = Vec::new();
    for index in 0..ACCOUNTS {
        let mut account = Account::enrol(&apis[index % 2], &format!("user-{index}"))
            .await
            .unwrap();
        let code = account.wait_for_code().await;
        let tokens = apis[index % 2].log_in(&account.person, &code).await.unwrap();
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        people.push((account, code, tokens));
    }

    let names = cluster.description().names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.members().kill_together(&names).await.unwrap();
    for name in names {
        cluster.members().restart(name).await.unwrap();
    }
    cluster.wait_healthy().await.unwrap();

    for (account, code, tokens) in &mut people {
        let name = account.person.username.clone();
        let info = apis[0].user_info(&tokens.text("access_token")).await.unwrap();
        assert_eq!(
            (info.status, info.text("username")),
            (200, name.clone()),
            "{}",
            info.body
        );
        let used = apis[1].log_in(&account.person, code).await.unwrap();
        assert_eq!(used.status, 401, "the used code of {name}: {}", used.body);
        let refreshed = apis[0].refresh(&tokens.text("refresh_token")).await.unwrap();
        assert_eq!(refreshed.status, 200, "the session of {name}: {}", refreshed.body);
        let fresh = account.wait_for_code().await;
        let login = apis[1].log_in(&account.person, &fresh).await.unwrap();
        assert_eq!(login.status, 200, "a new code of {name}: {}", login.body);
    }
    println!("{ACCOUNTS} accounts, sessions and used codes survived");
}
