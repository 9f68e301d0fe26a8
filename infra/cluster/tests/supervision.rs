//! The supervisor with members that are shell scripts: what it does to processes, and what it writes about them.
//! The test itself answers on the members' operations ports.
#![cfg(test)]

use cluster_harness::binaries::Binaries;
use cluster_harness::cluster::{Options, prepare_temporary};
use cluster_harness::description::Description;
use cluster_harness::layout::Layout;
use cluster_harness::ports::Ports;
use cluster_harness::supervisor::{Groups, Supervisor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Waits, and ends on SIGTERM.
const ORDERLY: &str = "exec sleep 1000";
/// Says why and refuses.
const REFUSING: &str = "echo 'key_ring: /nowhere does not exist'; exit 2";

struct Fixture {
    _dir: TempDir,
    supervisor: Arc<Supervisor>,
}

/// One node and one load balancer that run the scripts; somebody answers on their operations ports.
async fn fixture(node: &str, lb: &str) -> Fixture {
    let (fixture, ports) = silent(node, lb);
    for port in [ports.node_ops(1), ports.lb_ops(1)] {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(answer_ok(listener));
    }
    fixture
}

/// The same, and nobody answers.
fn silent(node: &str, lb: &str) -> (Fixture, Ports) {
    let options = Options {
        nodes: 1,
        lbs: 1,
        ..Options::default()
    };
    let (dir, prepared) = prepare_temporary(&options).unwrap();
    let binaries = Binaries {
        node: script(dir.path(), "tfauth-node", node),
        lb: script(dir.path(), "tfauth-lb", lb),
        ctl: script(dir.path(), "tfauth", "exit 1"),
    };
    let ports = prepared.settings.ports().unwrap();
    let supervisor = prepared.supervise(&binaries, Groups::Shared).unwrap();
    (Fixture { _dir: dir, supervisor }, ports)
}

fn script(dir: &Path, name: &str, body: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

async fn answer_ok(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            .await;
    }
}

fn written(layout: &Layout) -> Description {
    Description::load(layout).unwrap().unwrap()
}

/// State letter of a process as the kernel sees it: S sleeping, T stopped, …
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited 5 s for {what}");
}

#[tokio::test]
async fn the_file_follows_what_is_done_to_members() {
    let fixture = fixture(ORDERLY, ORDERLY).await;
    let supervisor = &fixture.supervisor;
    supervisor.start_all().await.unwrap();
    let first = written(supervisor.layout()).pid("node-1").unwrap();
    assert!(state(first).is_some());

    supervisor.pause("node-1").await.unwrap();
    until("a stopped process", || state(first) == Some('T')).await;
    supervisor.resume("node-1").await.unwrap();
    until("a running process", || state(first) != Some('T')).await;

    supervisor.kill("node-1").await.unwrap();
    assert_eq!(written(supervisor.layout()).pid("node-1"), None);
    assert_eq!(state(first), None, "waited for, so no zombie stays");
    assert_eq!(supervisor.kill("node-1").await.unwrap_err().exit_code(), 2);

    supervisor.restart("node-1").await.unwrap();
    let second = written(supervisor.layout()).pid("node-1").unwrap();
    assert_ne!(first, second);
    supervisor.restart("node-1").await.unwrap();
    let third = written(supervisor.layout()).pid("node-1").unwrap();
    assert_ne!(second, third);
    assert_eq!(state(second), None);

    let message = supervisor.start("node-1").await.unwrap_err().to_string();
    assert!(
        message.contains("runs already") && message.contains(&third.to_string()),
        "{message}"
    );
    let message = supervisor.stop("node-9").await.unwrap_err().to_string();
    assert!(
        message.contains("node-9") && message.contains("lb-1, node-1"),
        "{message}"
    );

    supervisor.stop_all().await.unwrap();
    assert_eq!(state(third), None);
    assert_eq!(written(supervisor.layout()).pid("lb-1"), None);
}

#[tokio::test]
async fn a_paused_member_can_be_stopped() {
    let fixture = fixture(ORDERLY, ORDERLY).await;
    fixture.supervisor.start_all().await.unwrap();
    fixture.supervisor.pause("lb-1").await.unwrap();
    fixture.supervisor.stop("lb-1").await.unwrap();
    assert_eq!(written(fixture.supervisor.layout()).pid("lb-1"), None);
}

#[tokio::test]
async fn a_member_that_dies_by_itself_is_shown_as_down_and_stays_down() {
    let fixture = fixture(ORDERLY, ORDERLY).await;
    let supervisor = &fixture.supervisor;
    supervisor.start_all().await.unwrap();
    let pid = supervisor.description().pid("node-1").unwrap();
    std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    until("the death", || matches!(state(pid), None | Some('Z'))).await;
    supervisor.reap().await.unwrap();
    assert_eq!(written(supervisor.layout()).pid("node-1"), None);
    assert!(written(supervisor.layout()).pid("lb-1").is_some());
}

#[tokio::test]
async fn a_refusal_of_a_member_is_told_in_its_own_words() {
    let (fixture, _) = silent(REFUSING, ORDERLY);
    let error = fixture.supervisor.start("node-1").await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(
        error.to_string().contains("key_ring: /nowhere does not exist"),
        "{error}"
    );
    assert_eq!(written(fixture.supervisor.layout()).pid("node-1"), None);
}
