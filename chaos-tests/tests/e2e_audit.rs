//! The audit of a cluster: searched with filters and cursors through any node while the leader changes, taken out, and
//! checked without the cluster. LG-1, LG-2.
#![cfg(test)]

use chaos_tests::api::{Api, Person};
use chaos_tests::native::{Native, tfauth};
use cluster_harness::cluster::{Cluster, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

const WRONG_LOGINS: usize = 4;
const PEOPLE: [&str; 5] = ["ann", "ben", "cleo", "dan", "eve"];

/// All rows of a search, page by page, with the sizes of the pages.
async fn all_pages(admin: &Native, filters: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut rows, mut sizes) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/admin/audit?limit={limit}{filters}{cursor}");
        let page = admin.get(&path).await.unwrap();
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let found = page.body["rows"].as_array().unwrap();
        sizes.push(found.len());
        rows.extend(found.iter().cloned());
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, sizes),
        }
    }
}

fn newest_first(rows: &[Value]) -> bool {
    rows.windows(2)
        .all(|pair| pair[0]["index"].as_u64() > pair[1]["index"].as_u64())
}

#[tokio::test]
async fn lg_1_lg_2_the_audit_is_searched_taken_out_and_checked() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let api = Api::new(client, &cluster.urls()[1]);
    let native = Native::new(&cluster).unwrap();
    for name in PEOPLE {
        assert_eq!(api.create(&Person::new(name)).await.unwrap().status, 201);
        for _ in 0..WRONG_LOGINS {
            let body = json!({"identifier": name, "password": "not the password of anybody"});
            assert_eq!(native.post("/v1/login", &body).await.unwrap().status, 401);
        }
    }
    let admin = native.administrator(&cluster).await.unwrap();
    let wanted = "&verb=refuse_login&outcome=invalid_credentials";
    let (rows, sizes) = all_pages(&admin, wanted, 7).await;
    // The start of the cluster asked for names without an account.
    let ours = rows.iter().filter(|row| !row["account"].is_null()).count();
    assert_eq!(ours, PEOPLE.len() * WRONG_LOGINS, "{rows:?}");
    let (last, full) = sizes.split_last().unwrap();
    assert!(
        full.len() >= 2 && full.iter().all(|size| *size == 7) && (1..=7).contains(last),
        "{sizes:?}"
    );
    assert!(newest_first(&rows), "{rows:?}");
    assert!(
        rows.iter()
            .all(|row| row["ip"] == "127.0.0.1" && row["verb"] == "refuse_login"),
        "{rows:?}"
    );
    let ann = admin.get("/v1/admin/accounts?search=ann").await.unwrap();
    let id = ann.body["accounts"][0]["id"].as_str().unwrap();
    let (of_ann, _) = all_pages(&admin, &format!("{wanted}&account={id}"), 3).await;
    assert_eq!(of_ann.len(), WRONG_LOGINS);
    let (middle, last) = (rows[9]["at"].as_str().unwrap(), rows[0]["at"].as_str().unwrap());
    let (later, _) = all_pages(&admin, &format!("{wanted}&from={middle}&to={last}"), 100).await;
    assert!(
        (8..=10).contains(&later.len()),
        "{} rows from {middle} to {last}",
        later.len()
    );

    // The same rows through nodes that took over.
    let leader = cluster.find_leader().await.unwrap();
    cluster.members().kill(&leader).await.unwrap();
    let (again, _) = all_pages(&admin, wanted, 7).await;
    assert_eq!(again, rows, "after {leader} was killed");
    let survivor = if leader == "node-1" { "node-2" } else { "node-1" };
    check_files(&cluster, survivor);
}

/// An export holds; a changed, a removed, a swapped and an added row, and rows cut off at the end, are found.
fn check_files(cluster: &Cluster, node: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let exported = tfauth(cluster, node, &["audit", "export", "--out", &file.to_string_lossy()]).unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let said = String::from_utf8(exported.stdout).unwrap();
    let head = said.trim().rsplit(' ').next().unwrap().to_owned();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    println!("{} audit rows exported", lines.len());
    assert!(lines.len() > 20);
    let whole = verify(cluster, &file, &head);
    assert!(whole.status.success(), "{whole:?}");
    let changed = text.replacen("invalid_credentials", "session_started", 1);
    let mut removed = lines.clone();
    removed.remove(7);
    let mut swapped = lines.clone();
    swapped.swap(9, 10);
    let mut added = lines.clone();
    added.insert(5, lines[4]);
    let cut = &lines[..lines.len() - 2];
    let cases = [
        ("changed", changed),
        ("removed", removed.join("\n")),
        ("swapped", swapped.join("\n")),
        ("added", added.join("\n")),
        ("cut off", cut.join("\n")),
    ];
    for (what, text) in cases {
        let damaged = folder.path().join("damaged.jsonl");
        std::fs::write(&damaged, text).unwrap();
        let found = verify(cluster, &damaged, &head);
        assert_eq!(found.status.code(), Some(1), "a row was {what}: {found:?}");
        println!("{what}: {}", String::from_utf8_lossy(&found.stderr).trim());
    }
}

fn verify(cluster: &Cluster, file: &Path, head: &str) -> Output {
    let mut command = std::process::Command::new(cluster.members().ctl());
    command
        .args(["audit", "verify"])
        .arg(file)
        .args(["--head", head])
        .output()
        .unwrap()
}
