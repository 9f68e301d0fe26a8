//! The one door: `infra/dev` starts a cluster in the background, tells about it, works on it by name, and leaves nothing.
#![cfg(test)]

use chaos_tests::architecture::project;
use chaos_tests::shell::{curl, oathtool};
use cluster_harness::binaries::{BIN_DIR_VARIABLE, Binaries, Build};
use cluster_harness::ports::Ports;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder for a cluster; whatever happens, nothing of it runs afterwards.
struct Dev {
    dir: TempDir,
    base: u16,
    programs: PathBuf,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.command(&["down"]).output();
    }
}

impl Dev {
    fn new() -> Self {
        let node = Binaries::find(Build::Own).unwrap().node;
        let programs = node.parent().unwrap().to_owned();
        assert!(
            programs.join("tfauth-cluster").is_file(),
            "run `cargo build -p cluster-harness` first"
        );
        Self {
            dir: tempfile::tempdir().unwrap(),
            base: Ports::find_free(3, 2).unwrap().0,
            programs,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(project().join("infra/dev"));
        // What is built already is what is tested.
        command
            .args(arguments)
            .arg("--dir")
            .arg(self.dir.path())
            .env(BIN_DIR_VARIABLE, &self.programs);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn refused(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            words.iter().all(|w| said.contains(w)),
            "{arguments:?} should name {words:?}: {said}"
        );
    }

    fn up(&self, more: &[&str]) -> String {
        self.ok(&[
            &["up", "--detach", "--debug-build", "--base-port", &self.base.to_string()],
            more,
        ]
        .concat())
    }

    fn description(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.dir.path().join("cluster.json")).unwrap()).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// Processes whose command line names the folder.
    fn processes(&self) -> Vec<String> {
        let folder = self.dir.path().to_string_lossy().into_owned();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().to_str()?.parse::<u32>().ok());
        let lines =
            pids.filter_map(|pid| Some(text(&std::fs::read(format!("/proc/{pid}/cmdline")).ok()?).replace('\0', " ")));
        lines
            .filter(|line| line.contains("tfauth-") && line.contains(&folder))
            .collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn row<'a>(status: &'a Value, name: &str) -> &'a Value {
    let rows = status["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .chain(status["lbs"].as_array().unwrap());
    rows.into_iter().find(|r| r["name"] == name).unwrap()
}

#[test]
fn one_command_starts_a_cluster_and_one_leaves_nothing() {
    let dev = Dev::new();
    let said = dev.up(&[]);
    let url = format!("https://localhost:{}", dev.base);
    assert!(
        said.contains(&url) && said.contains("ca.pem") && said.contains("curl"),
        "{said}"
    );
    shapes(&dev);
    assert!(dev.up(&[]).contains("up already"));
    dev.refused(&["up", "--detach", "--fresh"], &["down"]);
    dev.refused(&["up", "--detach", "--nodes", "5"], &["--nodes 5", "has 3"]);
    members_by_name(&dev);

    let admin = dev.description()["admin"].clone();
    dev.ok(&["down"]);
    assert_eq!(dev.processes(), Vec::<String>::new());
    assert_eq!(dev.description()["nodes"][0]["pid"], Value::Null);
    assert_eq!(row(&dev.status(), "node-1")["role"], "down");

    // Again: the same cluster with its data; a login with the account of before.
    dev.up(&[]);
    assert_eq!(dev.description()["admin"], admin);
    log_in(&dev, &url, &admin);
    kill_supervisor(&dev);
    dev.ok(&["down"]);
    assert_eq!(dev.processes(), Vec::<String>::new(), "also without its supervisor");
    assert!(dev.ok(&["down"]).contains("nothing runs"));
}

fn shapes(dev: &Dev) {
    let description = dev.description();
    assert_eq!(keys(&description), ["admin", "ca", "lbs", "mail_dir", "nodes", "urls"]);
    assert_eq!(
        keys(&description["admin"]),
        ["email", "password", "totp_secret", "username"]
    );
    assert_eq!(
        keys(&description["nodes"][0]),
        ["config", "data_dir", "id", "log", "name", "ops", "pid"]
    );
    assert_eq!(keys(&description["lbs"][0]), ["config", "log", "name", "ops", "pid"]);
    let status = dev.status();
    assert_eq!(keys(&status), ["lbs", "nodes"]);
    assert_eq!(keys(&status["nodes"][0]), ["applied", "name", "pid", "role", "term"]);
    assert_eq!(keys(&status["lbs"][0]), ["name", "pid", "ready"]);
    let roles: Vec<&str> = status["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles.iter().filter(|r| **r == "leader").count(), 1, "{roles:?}");
    assert_eq!(row(&status, "node-2")["pid"], description["nodes"][1]["pid"]);
    assert_eq!(row(&status, "lb-1")["ready"], true);
}

fn members_by_name(dev: &Dev) {
    dev.ok(&["kill", "node-2"]);
    let status = dev.status();
    assert_eq!(
        (&row(&status, "node-2")["role"], &row(&status, "node-2")["pid"]),
        (&json!("down"), &Value::Null)
    );
    dev.refused(&["kill", "node-2"], &["node-2 is down"]);
    dev.refused(&["restart", "node-7"], &["node-7", "node-1, node-2, node-3"]);
    let back = dev.ok(&["restart", "node-2"]);
    assert!(back.contains("node-2 runs"), "{back}");
    assert_ne!(row(&dev.status(), "node-2")["pid"], Value::Null);
    dev.ok(&["pause", "node-3"]);
    assert_eq!(
        row(&dev.status(), "node-3")["role"],
        "down",
        "a paused node does not answer"
    );
    dev.ok(&["resume", "node-3"]);
    dev.ok(&["stop", "lb-2"]);
    assert_eq!(row(&dev.status(), "lb-2")["ready"], false);
    dev.ok(&["restart", "lb-2"]);
    assert!(dev.ok(&["logs", "node-2"]).contains("serving"));
    assert!(dev.ok(&["logs"]).contains("node-1 | "));
}

/// With a step that no login before can have used: the account's first login was in an earlier one.
fn log_in(dev: &Dev, url: &str, admin: &Value) {
    let next_step = chaos_tests::clock::unix_seconds() + chaos_tests::clock::STEP_SECONDS;
    let code = oathtool(admin["totp_secret"].as_str().unwrap(), next_step).unwrap();
    let body = json!({"username": admin["username"], "password": admin["password"], "security_code": code}).to_string();
    let ca = dev.description()["ca"].as_str().unwrap().to_owned();
    let login = format!("{url}/api/v1/auth-jwt/login");
    let got = curl(
        Path::new(&ca),
        &["--header", "content-type: application/json", "--data", &body, &login],
    )
    .unwrap();
    assert_eq!(got.status, 200, "{}", got.text());
}

fn kill_supervisor(dev: &Dev) {
    let pid = std::fs::read_to_string(dev.dir.path().join("supervisor.pid")).unwrap();
    assert!(
        Command::new("kill")
            .args(["-9", pid.trim()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(dev.processes().len(), 5, "its members live on: {:?}", dev.processes());
}

#[test]
fn a_wrong_command_line_is_refused_with_a_reason() {
    let dev = Dev::new();
    dev.refused(&["up", "--detach", "--nodes", "0"], &["--nodes 0", "1 to 9"]);
    dev.refused(&["up", "--detach", "--base-port", "70000"], &["70000"]);
    dev.refused(&["status"], &["no cluster", "infra/dev up"]);
    dev.refused(&["kill", "node-1"], &["no cluster"]);
    let held = std::net::TcpListener::bind(("127.0.0.1", dev.base + 20)).unwrap();
    let base = dev.base.to_string();
    dev.refused(
        &["up", "--detach", "--base-port", &base],
        &[&(dev.base + 20).to_string(), "in use", "--base-port"],
    );
    drop(held);
    let unknown = Command::new(project().join("infra/dev")).arg("dance").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("dance"));
}
