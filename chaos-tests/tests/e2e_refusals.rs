//! A process that is configured wrongly says what is wrong and ends with 2 before it serves.
#![cfg(test)]

use chaos_tests::limits::REFUSAL_MAX;
use cluster_harness::binaries::{Binaries, Build};
use cluster_harness::bring_up::Prepared;
use cluster_harness::cluster::{Cluster, Options, prepare_temporary};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// Files of a small cluster that nobody started.
fn prepared() -> (TempDir, Prepared) {
    prepare_temporary(&Options {
        nodes: 1,
        lbs: 1,
        ..Options::default()
    })
    .unwrap()
}

fn edit(config: &Path, change: impl FnOnce(&mut toml::Table)) {
    let mut table: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    change(&mut table);
    std::fs::write(config, table.to_string()).unwrap();
}

fn section<'a>(table: &'a mut toml::Table, name: &str) -> &'a mut toml::Table {
    table
        .entry(name)
        .or_insert_with(|| toml::Table::new().into())
        .as_table_mut()
        .unwrap()
}

/// Runs the program to its end, which must be a refusal that names all of `words`.
async fn expect_refusal(program: &Path, config: &Path, words: &[&str]) {
    let mut command = Command::new(program);
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let what = format!("{} that should name {words:?}", program.display());
    let output = timeout(REFUSAL_MAX, command.output())
        .await
        .unwrap_or_else(|_| panic!("{what} went on serving"))
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{}", said.trim_end());
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    for word in words {
        assert!(said.contains(word), "{what}: {said}");
    }
    assert!(!said.contains("\"serving\""), "{what} served first: {said}");
}

async fn node_refuses(change: impl FnOnce(&Prepared, &Path), words: &[&str]) {
    let (_dir, prepared) = prepared();
    let config = prepared.layout.config("node-1");
    change(&prepared, &config);
    expect_refusal(&Binaries::find(Build::Own).unwrap().node, &config, words).await;
}

async fn lb_refuses(change: impl FnOnce(&Prepared, &Path), words: &[&str]) {
    let (_dir, prepared) = prepared();
    let config = prepared.layout.config("lb-1");
    change(&prepared, &config);
    expect_refusal(&Binaries::find(Build::Own).unwrap().lb, &config, words).await;
}

fn copy_key(prepared: &Prepared, from: &str, to: &str) {
    std::fs::copy(prepared.layout.key(from), prepared.layout.key(to)).unwrap();
}

fn set(section_name: &'static str, key: &'static str, value: impl Into<toml::Value>) -> impl FnOnce(&Prepared, &Path) {
    let value = value.into();
    move |_, config| edit(config, |t| drop(section(t, section_name).insert(key.to_owned(), value)))
}

#[tokio::test]
async fn a_node_names_an_unknown_key() {
    node_refuses(set("http", "colour", "blue"), &["colour"]).await;
}

#[tokio::test]
async fn a_node_names_both_settings_that_clash() {
    let clash = |_: &Prepared, config: &Path| {
        edit(config, |t| {
            section(t, "timing").insert("election_min_ms".into(), 900.into());
            section(t, "timing").insert("election_max_ms".into(), 300.into());
        });
    };
    node_refuses(clash, &["election_min_ms", "election_max_ms", "900", "300"]).await;
}

#[tokio::test]
async fn a_node_names_a_missing_key_ring() {
    let lose = |p: &Prepared, _: &Path| std::fs::remove_file(p.layout.key_ring()).unwrap();
    node_refuses(lose, &["keyring.toml"]).await;
}

#[tokio::test]
async fn a_node_names_a_port_in_use() {
    for (kind, offset) in [("http", 20), ("peer", 30), ("ops", 40)] {
        let (_dir, prepared) = prepared();
        let port = prepared.settings.base_port.unwrap() + offset;
        let _held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        println!("{kind} listener:");
        let node = Binaries::find(Build::Own).unwrap().node;
        expect_refusal(&node, &prepared.layout.config("node-1"), &[&port.to_string()]).await;
    }
}

#[tokio::test]
async fn a_node_names_a_certificate_that_does_not_match_its_key() {
    let swap = |p: &Prepared, _: &Path| copy_key(p, "lb-1", "node-1");
    node_refuses(swap, &["node-1.pem", "node-1.key"]).await;
}

#[tokio::test]
async fn a_node_refuses_data_of_another_cluster() {
    let cluster = Cluster::start(Options {
        nodes: 1,
        lbs: 1,
        ..Options::default()
    })
    .await
    .unwrap();
    cluster.members().stop("node-1").await.unwrap();
    let config = cluster.layout().config("node-1");
    let other = "00112233445566778899aabbccddeeff";
    edit(&config, |t| {
        drop(section(t, "cluster").insert("id".into(), other.into()))
    });
    let data = cluster.layout().data("node-1");
    let node = Binaries::find(Build::Own).unwrap().node;
    expect_refusal(&node, &config, &[&data.to_string_lossy(), other]).await;
}

#[tokio::test]
async fn a_load_balancer_names_an_unknown_key() {
    lb_refuses(set("front", "colour", "blue"), &["colour"]).await;
}

#[tokio::test]
async fn a_load_balancer_names_both_settings_that_clash() {
    let clash = |_: &Prepared, config: &Path| {
        edit(config, |t| {
            section(t, "timeouts").insert("try_ms".into(), 20_000.into());
            section(t, "timeouts").insert("request_ms".into(), 7_000.into());
        });
    };
    lb_refuses(clash, &["try_ms", "request_ms", "20000", "7000"]).await;
}

#[tokio::test]
async fn a_load_balancer_names_a_port_in_use() {
    for offset in [0, 10] {
        let (_dir, prepared) = prepared();
        let port = prepared.settings.base_port.unwrap() + offset;
        let _held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let lb = Binaries::find(Build::Own).unwrap().lb;
        expect_refusal(&lb, &prepared.layout.config("lb-1"), &[&port.to_string()]).await;
    }
}

#[tokio::test]
async fn a_load_balancer_names_certificates_that_do_not_match_their_keys() {
    let front = |p: &Prepared, _: &Path| copy_key(p, "lb-1", "localhost");
    lb_refuses(front, &["localhost.pem", "localhost.key"]).await;
    let backend = |p: &Prepared, _: &Path| copy_key(p, "localhost", "lb-1");
    lb_refuses(backend, &["lb-1.pem", "lb-1.key"]).await;
}

#[tokio::test]
async fn a_load_balancer_names_a_missing_authority() {
    let lose = |p: &Prepared, _: &Path| std::fs::remove_file(p.layout.ca()).unwrap();
    lb_refuses(lose, &["ca.pem"]).await;
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let nowhere = Path::new("/nowhere/config.toml");
    let binaries = Binaries::find(Build::Own).unwrap();
    for program in [&binaries.node, &binaries.lb] {
        expect_refusal(program, nowhere, &["/nowhere/config.toml"]).await;
    }
}
