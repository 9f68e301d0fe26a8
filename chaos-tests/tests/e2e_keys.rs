//! Keys change under load on a real cluster: the ring key that seals everything, with the leader killed when sealing anew
//! has become its work, and the signing key. Nobody notices, and the old ring key may go. A node that lost a key refuses to start.
#![cfg(test)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaos_tests::api::Api;
use chaos_tests::entropy::fresh_seed;
use chaos_tests::load::{Report, Traffic};
use chaos_tests::native::{Native, tfauth, tfauth_json};
use chaos_tests::pool::Pool;
use cluster_harness::cluster::{Cluster, Options};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const ACCOUNTS: usize = 60;
const LOGINS_PER_SECOND: u32 = 1;
/// Time for a leader to begin, which looks every five seconds.
const BEGIN_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A ring file with these keys, of which the last is the newest.
fn ring(cluster: &Cluster, active: u32, keys: &[(u32, &str)]) {
    let mut text = format!("active = {active}\n");
    for (id, secret) in keys {
        // Writing to a String cannot fail.
        let _ = write!(text, "[[keys]]\nid = {id}\nsecret = \"{secret}\"\n");
    }
    std::fs::write(cluster.layout().key_ring(), text).unwrap();
}

fn new_secret() -> String {
    STANDARD.encode(Sha256::digest(fresh_seed().to_be_bytes()))
}

fn first_secret(cluster: &Cluster) -> String {
    let text = std::fs::read_to_string(cluster.layout().key_ring()).unwrap();
    let ring: toml::Table = toml::from_str(&text).unwrap();
    ring["keys"][0]["secret"].as_str().unwrap().to_owned()
}

fn keys_at(cluster: &Cluster, node: &str) -> Value {
    tfauth_json(cluster, node, &["keys", "status", "--json"]).unwrap()
}

/// One node after the other, followers first, each only when all are well.
async fn restart_one_by_one(cluster: &Cluster) {
    let leader = cluster.find_leader().await.unwrap();
    let mut names: Vec<String> = cluster.description().nodes.into_iter().map(|n| n.name).collect();
    names.sort_by_key(|name| *name == leader);
    for name in names {
        cluster.members().restart(&name).await.unwrap();
        cluster.wait_healthy().await.unwrap();
    }
}

/// Waits until a node that did not make the key publishes it beside the other: long before it signs.
async fn until_two_are_published(native: &Native) {
    let watched = async {
        loop {
            let jwks = native.get("/.well-known/jwks.json").await.unwrap();
            if jwks.body["keys"].as_array().map(Vec::len) == Some(2) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(BEGIN_MAX, watched)
        .await
        .expect("the next key is published");
}

/// Waits until nothing is sealed with the first key any more.
async fn until_all_sealed(cluster: &Cluster, node: &str) -> Value {
    let watched = async {
        loop {
            let told = keys_at(cluster, node);
            if told["resealed"]["finished"] == true && told["sealed_values_by_key"]["1"].is_null() {
                return told;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(BEGIN_MAX, watched)
        .await
        .expect("another leader goes on")
}

#[tokio::test]
async fn cr_1_jw_7_keys_change_under_load_and_the_leader_dies() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let native = Native::new(&cluster).unwrap();
    let pool = Arc::new(Pool::enrol(&apis, "user", ACCOUNTS).await.unwrap());
    let traffic = Traffic::start(apis[0].clone(), Arc::clone(&pool), LOGINS_PER_SECOND);

    // The next signing key is published beside the one that signs; one at a time.
    let rotated = tfauth(&cluster, "node-2", &["keys", "rotate"]).unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    until_two_are_published(&native).await;
    let again = tfauth(&cluster, "node-3", &["keys", "rotate"]).unwrap();
    assert_eq!(again.status.code(), Some(2), "{again:?}");

    let (one, two) = (first_secret(&cluster), new_secret());
    ring(&cluster, 1, &[(1, &one), (2, &two)]);
    restart_one_by_one(&cluster).await;
    let before = keys_at(&cluster, "node-1");
    let values = before["sealed_values_by_key"]["1"].as_u64().unwrap();
    assert!(values as usize > 2 * ACCOUNTS, "{before}");
    ring(&cluster, 2, &[(1, &one), (2, &two)]);
    restart_one_by_one(&cluster).await;
    // Whatever it has sealed anew by now, the next leader goes on.
    let killed = cluster.find_leader().await.unwrap();
    cluster.members().kill(&killed).await.unwrap();
    let survivor = if killed == "node-1" { "node-2" } else { "node-1" };
    let after = until_all_sealed(&cluster, survivor).await;
    println!("{values} values; {killed} was killed; {}", after["resealed"]);
    cluster.members().restart(&killed).await.unwrap();
    cluster.wait_healthy().await.unwrap();

    ring(&cluster, 2, &[(2, &two)]);
    restart_one_by_one(&cluster).await;
    let report = Report::of(&traffic.finish().await.unwrap());
    println!("while keys changed: {report}");
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.logins > 10, "{report}");
    refuses_without_its_key(&cluster, &new_secret()).await;
}

/// A ring that has lost the key is told, with the key's id, before anything is served.
async fn refuses_without_its_key(cluster: &Cluster, foreign: &str) {
    cluster.members().stop("node-3").await.unwrap();
    ring(cluster, 3, &[(3, foreign)]);
    let refused = cluster.members().start("node-3").await.unwrap_err().to_string();
    assert!(
        refused.contains("key 2 is not in it") && refused.contains("add it again"),
        "{refused}"
    );
}
