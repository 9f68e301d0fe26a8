//! A member in a process of its own, so that it can be killed: this test binary, started again.
//!
//! It talks in lines. In: `write`, `report`, `status`. Out: `open`, `ack KEY COUNT`, `count KEY COUNT`, `end`,
//! `leader ID`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use raft_store::{Config, Member, Store, Timing, WallClock};

use crate::support::{
    CLUSTER, Counting, PATIENCE, Papers, VERSIONS, count_of, large_command, number, prepare, small_limits, soon,
};

const ENVIRONMENT: &str = "RAFT_STORE_TEST_CHILD";
/// Clients of one process.
const CLIENTS: u64 = 8;

/// The other end of a child.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Highest acknowledged count by key.
    pub(crate) acked: BTreeMap<String, u64>,
}

/// Where the processes of a cluster live.
pub(crate) struct Layout {
    pub(crate) folder: PathBuf,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Layout {
    pub(crate) fn write_papers(&self, id: u64, papers: &Papers) {
        for (kind, bytes) in [
            ("root", &papers.root),
            ("certificate", &papers.certificate),
            ("key", &papers.key),
        ] {
            std::fs::write(self.folder.join(format!("{id}.{kind}")), bytes).unwrap();
        }
    }

    pub(crate) fn spawn(&self, id: u64) -> Process {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let setting = format!("{}|{id}|{}", self.folder.display(), addresses.join(","));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child::child_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(ENVIRONMENT, setting)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process {
            child,
            input,
            lines,
            acked: BTreeMap::new(),
        }
    }
}

impl Process {
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Takes lines until one starts with `word`; that line, or nothing when time is up or the process ended.
    pub(crate) fn wait_for(&mut self, word: &str, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.note(&line);
                    if line.contains(word) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn note(&mut self, line: &str) {
        if let Some((key, count)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
            let highest = self.acked.entry(key.to_owned()).or_default();
            *highest = count.parse::<u64>().unwrap().max(*highest);
        }
    }

    /// Whom it believes to lead; zero for nobody.
    pub(crate) fn leader(&mut self) -> u64 {
        self.say("status");
        let line = self.wait_for("leader ", PATIENCE).expect("a status");
        line.trim_start_matches("leader ").parse().unwrap()
    }

    /// Stops it without a word to anybody (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "{signal}");
    }

    /// Kills it, and reads what it had said.
    pub(crate) fn kill(mut self) -> BTreeMap<String, u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv() {
            self.note(&line);
        }
        std::mem::take(&mut self.acked)
    }

    /// Counts of all keys, as of now.
    pub(crate) fn report(&mut self) -> BTreeMap<String, u64> {
        self.say("report");
        let mut counts = BTreeMap::new();
        while let Some(line) = self.wait_for("", PATIENCE) {
            if line == "end" {
                return counts;
            }
            if let Some((key, count)) = line.strip_prefix("count ").and_then(|rest| rest.split_once(' ')) {
                counts.insert(key.to_owned(), count.parse().unwrap());
            }
        }
        panic!("the process did not report");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed and waited for already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

pub(crate) fn key(id: u64, client: u64) -> String {
    format!("n{id}c{client}")
}

/// Not a test: the body of a child. Without its setting it does nothing.
#[test]
fn child_process() {
    let Ok(setting) = std::env::var(ENVIRONMENT) else {
        return;
    };
    prepare();
    let mut parts = setting.split('|');
    let folder = PathBuf::from(parts.next().unwrap());
    let id: u64 = parts.next().unwrap().parse().unwrap();
    let addresses: Vec<SocketAddr> = parts
        .next()
        .unwrap()
        .split(',')
        .map(|text| text.parse().unwrap())
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(live(&folder, id, &addresses));
}

async fn live(folder: &Path, id: u64, addresses: &[SocketAddr]) {
    let read = |kind: &str| std::fs::read(folder.join(format!("{id}.{kind}"))).unwrap();
    let papers = Papers {
        root: read("root"),
        certificate: read("certificate"),
        key: read("key"),
    };
    let member = |(id, address): (u64, &SocketAddr)| Member {
        id,
        name: format!("node-{id}"),
        peer_address: *address,
    };
    let config = Config {
        node_id: Some(id),
        name: format!("node-{id}"),
        cluster_id: CLUSTER,
        initialize: id == 1,
        members: (1..).zip(addresses).map(member).collect(),
        data_dir: folder.join(format!("node-{id}")),
        listen: addresses[usize::try_from(id).unwrap() - 1],
        advertise: addresses[usize::try_from(id).unwrap() - 1],
        join: None,
        versions: VERSIONS,
        wall_clock: WallClock::system(),
        tls: papers.tls(),
        timing: Timing::default(),
        limits: small_limits(),
    };
    let store = Store::open(config, Arc::new(Counting)).await.unwrap();
    say("open");
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        // The parent is gone.
        std::process::exit(1);
    });
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "write" => (0..CLIENTS).for_each(|client| drop(tokio::spawn(write(store.clone(), id, client)))),
            "status" => say(&format!("leader {}", store.status().leader.unwrap_or(0))),
            "report" => report(&store, addresses.len() as u64).await,
            other => panic!("unknown line {other:?}"),
        }
    }
}

/// Counts its own key up for ever, saying so after each acknowledgement.
async fn write(store: Store, id: u64, client: u64) {
    let key = key(id, client);
    loop {
        let request: u128 = rand::random();
        // Now and then one that takes several records.
        let filler = if request.is_multiple_of(16) { 20_000 } else { 0 };
        let reply = loop {
            match store.propose(large_command(request, &key, filler), soon()).await {
                Ok(applied) => break applied.reply,
                Err(error) => say(&format!("error {error}")),
            }
        };
        say(&format!("ack {key} {}", number(&reply)));
    }
}

async fn report(store: &Store, members: u64) {
    store.read_barrier(soon()).await.unwrap();
    for id in 1..=members {
        for client in 0..CLIENTS {
            let key = key(id, client);
            say(&format!("count {key} {}", count_of(store, &key)));
        }
    }
    say("end");
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").unwrap();
    output.flush().unwrap();
}
