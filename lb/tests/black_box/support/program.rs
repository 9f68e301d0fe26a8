//! The real program: its configuration, its process, its log and its operations listener.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::client::{self, Answer, Client};
use super::node::Node;
use super::pki::Pki;
use super::{PATIENCE, until};

/// What differs between tests.
pub(crate) struct Options {
    pub(crate) front: String,
    pub(crate) ops: String,
    pub(crate) try_ms: u64,
    pub(crate) request_ms: u64,
    pub(crate) hold_ms: u64,
    pub(crate) requests_per_second: u64,
    pub(crate) logins_per_minute: u64,
    pub(crate) drain_min_ms: u64,
    pub(crate) drain_max_ms: u64,
    /// Further lines of `[front]`.
    pub(crate) front_lines: String,
    /// Further lines of `[ops]`.
    pub(crate) ops_lines: String,
    /// Further lines of `[limits]`.
    pub(crate) limits_lines: String,
    /// Further sections.
    pub(crate) sections: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            front: "127.0.0.1:0".into(),
            ops: "127.0.0.1:0".into(),
            try_ms: 5_000,
            request_ms: 15_000,
            hold_ms: 15_000,
            requests_per_second: 10_000,
            logins_per_minute: 10_000,
            drain_min_ms: 0,
            drain_max_ms: 10_000,
            front_lines: String::new(),
            ops_lines: String::new(),
            limits_lines: String::new(),
            sections: String::new(),
        }
    }
}

/// Writes a configuration and tells where.
pub(crate) fn configure(pki: &Pki, nodes: &[Node], options: &Options) -> PathBuf {
    let mut text = format!(
        r#"
name = "lb-test"
[front]
listen = ["{}"]
certificate = "front.pem"
key = "front.key"
hosts = ["localhost", "auth.example.com"]
{}
[ops]
listen = "{}"
{}
[backend]
ca = "ca.pem"
certificate = "lb.pem"
key = "lb.key"
[timeouts]
connect_ms = {}
try_ms = {}
request_ms = {}
hold_ms = {}
[probe]
interval_ms = 200
timeout_ms = 190
[limits]
requests_per_second = {}
logins_per_minute = {}
{}
[drain]
min_ms = {}
max_ms = {}
[reload]
poll_ms = 50
{}
"#,
        options.front,
        options.front_lines,
        options.ops,
        options.ops_lines,
        options.try_ms.min(2_000),
        options.try_ms,
        options.request_ms,
        options.hold_ms.min(options.request_ms),
        options.requests_per_second,
        options.logins_per_minute,
        options.limits_lines,
        options.drain_min_ms,
        options.drain_max_ms,
        options.sections,
    );
    for node in nodes {
        let _ = write!(
            text,
            "[[nodes]]\nname = \"{}\"\naddress = \"{}\"\n",
            node.name(),
            node.address
        );
    }
    pki.write("lb.toml", &text)
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tfauth-lb"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// The program, serving.
pub(crate) struct Program {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub(crate) front: SocketAddr,
    pub(crate) redirect: Option<SocketAddr>,
    pub(crate) ops: SocketAddr,
    client: Client,
}

impl Program {
    pub(crate) async fn start(pki: &Pki, nodes: &[Node], options: Options) -> Self {
        Self::start_from(pki, &configure(pki, nodes, &options)).await
    }

    /// Starts the program with a configuration that is written already.
    pub(crate) async fn start_from(pki: &Pki, config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tfauth-lb"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let output = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                output
                    .lines()
                    .map_while(Result::ok)
                    .for_each(|line| log.lock().push(line))
            }
        });
        until("the program serves", || async { line(&log, "serving").is_some() }).await;
        let serving = line(&log, "serving").expect("just seen");
        let address = |field: &str| {
            serving[field]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("an address")
        };
        let front = address("front");
        Self {
            process,
            log,
            front,
            redirect: serving["redirect"].as_str().and_then(|text| text.parse().ok()),
            ops: address("ops"),
            client: Client::new(front, pki.client_tls()),
        }
    }

    /// A client of the front.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// All lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// Where the operations listener is.
    pub(crate) fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// Asks the operations listener.
    pub(crate) async fn ops(&self, path: &str) -> Answer {
        client::plain(self.ops, path).await
    }

    /// The status as the operations listener tells it.
    pub(crate) async fn status(&self) -> Value {
        serde_json::from_slice(&self.ops("/status").await.body).expect("JSON")
    }

    /// Waits until a line of the log holds all of `parts`.
    pub(crate) async fn until_logged(&self, parts: &[&str]) {
        until(&format!("{parts:?} is logged"), || async {
            self.log()
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part)))
        })
        .await;
    }

    /// Waits until the metrics have a line.
    pub(crate) async fn until_counted(&self, line: &str) {
        until(&format!("{line} is counted"), || async {
            self.ops("/metrics").await.text().lines().any(|counted| counted == line)
        })
        .await;
    }

    pub(crate) async fn until_ready_nodes(&self, count: usize) {
        until("the nodes are ready", || async {
            let status = self.status().await;
            let nodes = status["nodes"].as_array().expect("a list");
            nodes.iter().filter(|node| node["ready"] == true).count() == count
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(
            sent.expect("kill is installed").success(),
            "the process is gone already"
        );
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let waiting = async {
            loop {
                if let Some(status) = self.process.try_wait().expect("our child") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the process ends")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("log of the program:\n{}", self.log.lock().join("\n"));
        }
    }
}

fn line(log: &Mutex<Vec<String>>, message: &str) -> Option<Value> {
    log.lock()
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["message"] == message)
}
