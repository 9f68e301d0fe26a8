//! Nothing secret that went through the cluster is found in its logs, its metrics or its data.
#![cfg(test)]

use chaos_tests::api::{Api, Person};
use chaos_tests::canary::{Canary, files_below, search};
use chaos_tests::pool::Account;
use chaos_tests::shell::run;
use cluster_harness::cluster::{Cluster, Options};

/// The bytes of a base32 seed, as coreutils decode it.
fn raw_seed(secret: &str) -> Vec<u8> {
    let hex = run(
        "sh",
        &[
            "-c",
            &format!("printf %s '{secret}' | base32 -d | od -An -tx1 | tr -d ' \\n'"),
        ],
    )
    .unwrap();
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

#[tokio::test]
async fn cr_4_otp_6_no_secret_is_in_logs_metrics_or_data() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let mut canaries = Vec::new();
    for (name, api) in ["ana", "rui"].iter().zip(&apis) {
        canaries.extend(use_secrets(api, name).await);
    }
    let ring = std::fs::read_to_string(cluster.layout().key_ring()).unwrap();
    let ring_secret = ring
        .lines()
        .find_map(|l| l.strip_prefix("secret = \""))
        .unwrap()
        .trim_end_matches('"');
    canaries.push(Canary::long("the key ring's secret", ring_secret.as_bytes()));

    let description = cluster.description();
    let opses = description
        .nodes
        .iter()
        .map(|n| (&n.name, &n.ops))
        .chain(description.lbs.iter().map(|l| (&l.name, &l.ops)));
    let mut found = Vec::new();
    for (name, ops) in opses {
        for page in ["metrics", "status"] {
            let text = run("curl", &["--silent", "--fail", &format!("{ops}/{page}")]).unwrap();
            assert!(!text.is_empty(), "{name} has {page}");
            found.extend(search(&canaries, &format!("{page} of {name}"), text.as_bytes()));
        }
    }
    // In order, so that everything is on disk.
    cluster.members().stop_all().await.unwrap();
    let mut bytes = 0;
    for name in description.names() {
        for file in files_below(&cluster.layout().member(&name)).unwrap() {
            let content = std::fs::read(&file).unwrap();
            bytes += content.len();
            found.extend(search(&canaries, &file.display().to_string(), &content));
        }
    }
    println!(
        "{} secrets looked for in {bytes} bytes of logs and data",
        canaries.len()
    );
    assert_eq!(found, Vec::<String>::new());
    assert!(bytes > 10_000, "there was something to look at");
}

/// Uses every kind of secret once, rightly and wrongly; returns them.
async fn use_secrets(api: &Api, name: &str) -> Vec<Canary> {
    let mut account = Account::enrol(api, name).await.unwrap();
    let code = account.wait_for_code().await;
    let tokens = api.log_in(&account.person, &code).await.unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    let refreshed = api.refresh(&tokens.text("refresh_token")).await.unwrap();
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    let wrong = Person {
        password: format!("zq7 canary wrong {name}"),
        ..account.person.clone()
    };
    assert_eq!(api.log_in(&wrong, "000000").await.unwrap().status, 401);
    let typed_as_name = Person {
        username: format!("zq7 canary as name {name}"),
        ..account.person.clone()
    };
    let _ = api.log_in(&typed_as_name, "000000").await.unwrap();
    let long_code = format!("zq7canarycode{name}");
    let _ = api.log_in(&account.person, &long_code).await.unwrap();

    let long = |what: &str, value: &str| Canary::long(&format!("{what} of {name}"), value.as_bytes());
    vec![
        long("the password", &account.person.password),
        long("a wrong password", &wrong.password),
        long("a password typed as a name", &typed_as_name.username),
        long("a wrong code", &long_code),
        long("the seed", &account.secret),
        Canary::long(&format!("the raw seed of {name}"), &raw_seed(&account.secret)),
        Canary::code(&format!("a code of {name}"), &code),
        long("an access token", &tokens.text("access_token")),
        long("a refresh token", &tokens.text("refresh_token")),
        long("a rotated refresh token", &refreshed.text("refresh_token")),
    ]
}
