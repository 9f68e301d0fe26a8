//! A member in a process of its own, so that it can be killed: this test binary, started again.
//!
//! It talks in lines. In: `write`, `report`, `status`, `rows COUNT`. Out: `open`, `ack KEY COUNT`, `count KEY COUNT`, `end`,
//! `leader ID`, `has COUNT`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use raft_store::{Config, Join, JoinToken, Member, Store, Timing, WallClock};

use crate::support::{
    CLUSTER, Counting, PATIENCE, Papers, VERSIONS, count_of, large_command, number, prepare, rows_of, small_limits,
    soon,
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
    pub(crate) fn write_papers(&self, name: &str, papers: &Papers) {
        for (kind, bytes) in [
            ("root", &papers.root),
            ("certificate", &papers.certificate),
            ("key", &papers.key),
        ] {
            std::fs::write(self.folder.join(format!("{name}.{kind}")), bytes).unwrap();
        }
    }

    /// A founding member.
    pub(crate) fn spawn(&self, id: u64) -> Process {
        let listen = self.addresses[usize::try_from(id).unwrap() - 1];
        self.spawn_as(&format!("{id}||{listen}|{listen}"), &format!("node-{id}"))
    }

    /// A node that joins.
    pub(crate) fn spawn_joiner(
        &self,
        name: &str,
        token: &JoinToken,
        listen: SocketAddr,
        advertise: SocketAddr,
    ) -> Process {
        self.spawn_as(&format!("0|{}|{listen}|{advertise}", token.expose()), name)
    }

    fn spawn_as(&self, who: &str, name: &str) -> Process {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let setting = format!("{}|{}|{name}|{who}", self.folder.display(), addresses.join(","));
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

    /// How many of so many rows it has.
    pub(crate) fn rows(&mut self, count: u64) -> u64 {
        self.say(&format!("rows {count}"));
        let line = self.wait_for("has ", PATIENCE).expect("a number");
        line.trim_start_matches("has ").parse().unwrap()
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(live(&setting));
}

/// What the parent has put together.
fn config(setting: &str) -> Config {
    let parts: Vec<&str> = setting.split('|').collect();
    let [folder, addresses, name, id, token, listen, advertise] = parts[..] else {
        panic!("{setting}");
    };
    let folder = PathBuf::from(folder);
    let read = |kind: &str| std::fs::read(folder.join(format!("{name}.{kind}"))).unwrap();
    let papers = Papers {
        root: read("root"),
        certificate: read("certificate"),
        key: read("key"),
    };
    let member = |(id, address): (u64, &str)| Member {
        id,
        name: format!("node-{id}"),
        peer_address: address.parse().unwrap(),
    };
    let id: u64 = id.parse().unwrap();
    Config {
        node_id: (id > 0).then_some(id),
        name: name.to_owned(),
        cluster_id: CLUSTER,
        initialize: id == 1,
        members: (1..).zip(addresses.split(',')).map(member).collect(),
        data_dir: folder.join(name),
        listen: listen.parse().unwrap(),
        advertise: advertise.parse().unwrap(),
        join: JoinToken::parse(token).map(Join::Token),
        versions: VERSIONS,
        wall_clock: WallClock::system(),
        tls: papers.tls(),
        timing: Timing::default(),
        limits: small_limits(),
    }
}

async fn live(setting: &str) {
    let config = config(setting);
    let (id, members) = (config.node_id.unwrap_or(0), config.members.len() as u64);
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
            "report" => report(&store, members).await,
            other => match other.strip_prefix("rows ") {
                Some(count) => say(&format!("has {}", rows_of(&store, count.parse().unwrap()))),
                None => panic!("unknown line {other:?}"),
            },
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
