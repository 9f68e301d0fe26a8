//! The program from outside: what it refuses, how it ends, and that nothing acknowledged is lost.

#[cfg(test)]
#[path = "process/data_folder.rs"]
mod data_folder;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the file is a module of a library, too")]
#[path = "../../chaos-tests/src/skipping.rs"]
mod skipping;
#[cfg(test)]
mod support;

use auth_api::status::{NodeStatus, Role};
use auth_api::{dialect_003, headers, paths};
use rustix::process::Signal;
use serde_json::json;
use std::net::TcpListener;
use std::process::Stdio;
use support::{Node, Site};

fn account(name: &str) -> serde_json::Value {
    json!({
        "username": name,
        "email": format!("{name}@example.org"),
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    })
}

#[tokio::test]
async fn a_cluster_of_one_serves_and_stops_in_order() {
    let site = Site::new();
    let mut node = site.start();
    node.ready().await;
    let lb = site.lb();

    let status: NodeStatus = lb
        .get(site.url(paths::INTERNAL_STATUS))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (status.node_id, status.role, status.leader_id),
        (1, Role::Leader, Some(1))
    );
    assert!(status.ready && !status.draining);

    let jwks = lb.get(site.url(paths::JWKS)).send().await.unwrap();
    assert_eq!(jwks.status(), 200, "a node that is ready can sign");
    let made = lb
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201, "{}", site.log());

    let metrics = lb
        .get(site.ops_url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        r#"tfauth_node_proposals_total{outcome="account_registered",verb="register_account"} 1"#,
        r#"tfauth_node_role{role="leader"} 1"#,
        r#"tfauth_node_requests_total{method="POST",route="/api/v1/user",status="201"} 1"#,
        "tfauth_node_hash_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} is not in\n{metrics}");
    }
    store_is_measured(&metrics);

    drained_stop(&site, node).await;
    check_log(&site.log());
}

/// Every number of the store that operators watch is there; what it is after work is shown by `telemetry::live_tests`.
#[cfg(test)]
fn store_is_measured(metrics: &str) {
    for name in [
        "log_fsync_seconds_count",
        "log_fsync_seconds_sum",
        "log_group_entries_count",
        "log_queue_depth",
        "apply_lag_entries",
        "checkpoints_total",
        "checkpoint_last_milliseconds",
        "snapshot_sent_bytes_total",
        "snapshot_send_last_milliseconds",
        "snapshot_received_bytes_total",
        "snapshot_receive_last_milliseconds",
        "log_disk_bytes",
        "state_disk_bytes",
        "leader_changes_total",
    ] {
        let start = format!("tfauth_node_{name} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.and_then(|value| value.parse::<f64>().ok());
        assert!(
            value.is_some_and(|value| value >= 0.0),
            "{name}: {value:?} in\n{metrics}"
        );
    }
}

/// Load balancers are told first, then the node ends well.
#[cfg(test)]
async fn drained_stop(site: &Site, node: Node<'_>) {
    let lb = site.lb();
    node.signal(Signal::TERM);
    let drained = loop {
        let answer = lb.get(site.url(paths::JWKS)).send().await;
        match answer {
            Ok(answer) if answer.status() == 503 => break answer,
            Ok(answer) => assert_eq!(answer.status(), 200),
            Err(error) => panic!("the node stopped before it said so: {error}\n{}", site.log()),
        }
    };
    assert_eq!(drained.headers()[headers::NOT_EXECUTED], "1");
    let status: NodeStatus = lb
        .get(site.url(paths::INTERNAL_STATUS))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(status.draining && !status.ready);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());
}

/// Every line is JSON with the fields that collectors look for, and none tells a secret.
#[cfg(test)]
fn check_log(log: &str) {
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    assert!(log.contains(r#""message":"serving""#), "{log}");
    assert!(
        !log.contains("battery") && !log.contains("maria@"),
        "neither passwords nor addresses are logged:\n{log}"
    );
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let site = Site::new();
    let mut node = site.start();
    node.ready().await;
    let lb = site.lb();
    let made = lb
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201, "{}", site.log());
    let keys = lb
        .get(site.url(paths::JWKS))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    node.signal(Signal::KILL);
    assert_eq!(node.end().code(), None);

    let mut node = site.start();
    node.ready().await;
    let lb = site.lb();
    let again = lb
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 409, "the account is there\n{}", site.log());
    let keys_again = lb
        .get(site.url(paths::JWKS))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(keys, keys_again, "the cluster keeps its signing key");
    node.signal(Signal::INT);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_ends_the_node_at_once() {
    let site = Site::new();
    let mut node = site.start_bounded();
    node.ready().await;
    node.forbid_growth();
    let lb = site.lb();
    let answer = lb
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert!(
        !answer.is_ok_and(|answer| answer.status() == 201),
        "what was not written is not acknowledged"
    );
    let (status, log) = node.end_with_log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("this node stops at once"), "{log}");
}

#[tokio::test]
async fn spans_are_sent_where_the_configuration_says() {
    let site = Site::new();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!(
        "\n[telemetry]\notlp_endpoint = \"http://{}\"\n",
        collector.local_addr().unwrap()
    );
    site.configure(|text| text + &endpoint);
    let mut node = site.start();
    let connected = tokio::task::spawn_blocking(move || {
        let mut preface = [0; 14];
        std::io::Read::read_exact(&mut collector.accept().unwrap().0, &mut preface).unwrap();
        preface
    });
    node.ready().await;
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = site
        .lb()
        .get(site.url(paths::JWKS))
        .header(headers::TRACEPARENT, sampled)
        .send()
        .await;
    assert_eq!(asked.unwrap().status(), 200);
    let preface = tokio::time::timeout(support::PATIENCE, connected)
        .await
        .expect("the exporter connects")
        .unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0", "gRPC");
    assert!(
        site.log().contains("0af7651916cd43dd8448eb211c80319c"),
        "the trace id is in the log\n{}",
        site.log()
    );
}

#[tokio::test]
async fn tl_1_only_a_load_balancer_is_answered() {
    let site = Site::new();
    let mut node = site.start();
    node.ready().await;
    let read = |name: &str| std::fs::read_to_string(site.path(name)).unwrap();
    let as_node = format!("{}{}", read("node-1.pem"), read("node-1.key"));
    for client in [site.client(None), site.client(Some(&as_node))] {
        let answer = client.get(site.url(paths::INTERNAL_STATUS)).send().await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let plain = site.lb().get(format!("http://{}/", site.http)).send().await;
    assert!(plain.is_err(), "plain HTTP is refused: {plain:?}");
    drop(node);
}

#[test]
fn unknown_settings_are_refused_by_name() {
    let site = Site::new();
    site.configure(|text| text.replace("[hashing]", "[hashing]\npepper = true"));
    let said = site.refusal();
    assert!(said.contains("pepper") && said.contains("node.toml"), "{said}");
}

#[test]
fn a_missing_key_ring_is_refused_by_name() {
    let site = Site::new();
    std::fs::remove_file(site.path("keyring.toml")).unwrap();
    let said = site.refusal();
    assert!(
        said.contains("keys.key_ring") && said.contains("keyring.toml"),
        "{said}"
    );
}

#[test]
fn each_port_in_use_is_refused_by_name() {
    let site = Site::new();
    for (address, name) in [
        (site.http, "http.listen"),
        (site.peer, "members"),
        (site.ops, "ops.listen"),
    ] {
        let taken = TcpListener::bind(address).unwrap();
        let said = site.refusal();
        assert!(said.contains(&address.to_string()) && said.contains(name), "{said}");
        drop(taken);
    }
}

#[tokio::test]
async fn a_folder_in_use_or_of_another_cluster_or_node_is_refused() {
    let site = Site::new();
    let mut node = site.start();
    node.ready().await;
    let other_ports = |text: String| {
        let other = Site::new();
        text.replace(&site.http.to_string(), &other.http.to_string())
            .replace(&site.peer.to_string(), &other.peer.to_string())
            .replace(&site.ops.to_string(), &other.ops.to_string())
    };
    site.configure(other_ports);
    let said = site.refusal();
    assert!(said.contains("in use by another process"), "{said}");
    node.signal(Signal::TERM);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());

    let other_cluster = "ff0102030405060708090a0b0c0d0e0f";
    site.configure(|text| text.replace("000102030405060708090a0b0c0d0e0f", other_cluster));
    let said = site.refusal();
    assert!(
        said.contains(other_cluster) && said.contains("000102030405060708090a0b0c0d0e0f"),
        "{said}"
    );

    site.configure(|text| {
        text.replace("node_id = 1", "node_id = 2")
            .replace("{ id = 1,", "{ id = 2,")
    });
    let said = site.refusal();
    assert!(said.contains("node 1") && said.contains("node 2"), "{said}");
}

#[test]
fn a_configuration_can_be_checked_without_serving() {
    let site = Site::new();
    let check = || site.command("check-config").stderr(Stdio::piped()).output().unwrap();
    let good = check();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(!site.path("data").exists(), "a check leaves nothing behind");
    site.configure(|text| text.replace("passes = 5", "passes = 1"));
    let bad = check();
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("OWASP"));
}

#[test]
fn help_and_version_end_well_and_nonsense_does_not() {
    let site = Site::new();
    let code = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tfauth-node"));
        command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["serve", "--help"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["serve"]), Some(2));
    assert_eq!(
        code(&["serve", "--config", &site.path("none.toml").display().to_string()]),
        Some(2)
    );
}
