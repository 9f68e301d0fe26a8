//! What runs in the process of a member: opens the store, writes without end when told to, and tells what it has.

use super::config::config;
use super::ledger::{Ledger, command, decode, number_of, wrong_rows};
use super::stages;
use raft_store::{Limits, Read as _, Role, Store, TableId};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients of one member.
pub(super) const CLIENTS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a member is told on its command line.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Where members listen, in the order of their numbers.
    pub addresses: Vec<SocketAddr>,
    /// Certificates and keys.
    pub papers: PathBuf,
    /// Its data folder.
    pub data: PathBuf,
    /// What it does not make durable.
    pub left_out: LeftOut,
}

/// What a member does not make durable, one thing at a time, to show that the proofs notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LeftOut {
    /// All is as it is in a node
    #[default]
    Nothing,
    /// The system call filter, so that a flush of tables is no fsync
    Filter,
    /// The fdatasync of the log
    LogSync,
}

impl LeftOut {
    /// As on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Filter => "filter",
            Self::LogSync => "log-sync",
        }
    }
}

/// Runs until the input ends, or until the store fails.
///
/// # Errors
/// The store refuses to open, or fails; in its words.
pub fn run(task: &Task) -> Result<(), String> {
    match task.left_out {
        LeftOut::Filter => raft_store::dangerously_allow_flush_without_fsync(),
        LeftOut::LogSync => raft_store::dangerously_leave_log_unsynced(),
        LeftOut::Nothing => {}
    }
    if task.left_out != LeftOut::Filter {
        raft_store::install_real_fsync().map_err(|e| e.to_string())?;
    }
    say("opening");
    stages::install();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(live(task))
}

async fn live(task: &Task) -> Result<(), String> {
    let config = config(
        task.id,
        &task.addresses,
        &task.papers,
        &task.data,
        // Small enough that every life sees checkpoints and purges.
        Limits {
            checkpoint_entries: 200,
            log_kept_entries: 50,
            log_segment_bytes: 1 << 20,
            state_cache_bytes: 8 << 20,
            ..Limits::default()
        },
    )?;
    let opened = Store::open(config, Arc::new(Ledger)).await;
    let store = opened.map_err(|e| {
        say(&format!("refused {}", one_line(&e.to_string())));
        e.to_string()
    })?;
    say("open");
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            fault = store.failed() => {
                say(&format!("fault {}", one_line(&fault.to_string())));
                return Err(fault.to_string());
            }
        };
        match line.as_deref() {
            Some("write") => (1..=CLIENTS).for_each(|client| drop(tokio::spawn(write(store.clone(), task.id, client)))),
            Some("report") => report(&store, task.addresses.len() as u64).await?,
            Some(other) => return Err(format!("unknown line {other:?}")),
            // The parent is gone.
            None => return Ok(()),
        }
    }
}

/// The key of one client of one member.
pub(super) fn key(id: u64, client: u64) -> String {
    format!("n{id}c{client}")
}

/// Counts its own key up for ever, saying so after each acknowledgement.
async fn write(store: Store, id: u64, client: u64) {
    let key = key(id, client);
    let mut next = loop {
        let ready = store.read_barrier(Instant::now() + PATIENCE).await;
        if let Some(number) = ready.ok().and_then(|_| number_of(&store, &key).ok()) {
            break number + 1;
        }
    };
    loop {
        match store.propose(command(&key, next), Instant::now() + PATIENCE).await {
            Ok(applied) if decode(&applied.reply) == next => {
                let status = store.status();
                // A leader that has answered has its vote on disk.
                let term = if status.role == Role::Leader { status.term } else { 0 };
                say(&format!("ack {key} {next} {term}"));
                next += 1;
            }
            Ok(applied) => say(&format!("bad reply to {key} {next}: {}", decode(&applied.reply))),
            // Unknown: the same number again.
            Err(_) => {}
        }
    }
}

/// Numbers of all keys, rows that are wrong, its term, and a digest of everything.
async fn report(store: &Store, members: u64) -> Result<(), String> {
    store
        .read_barrier(Instant::now() + PATIENCE)
        .await
        .map_err(|e| e.to_string())?;
    for id in 1..=members {
        for client in 1..=CLIENTS {
            let key = key(id, client);
            let number = number_of(store, &key)?;
            say(&format!("count {key} {number}"));
            for wrong in wrong_rows(&store.view(), &key, number) {
                say(&format!("bad {wrong}"));
            }
        }
    }
    say(&format!("term {}", store.status().term));
    let (applied, digest) = digest(store)?;
    say(&format!("digest {applied} {digest}"));
    Ok(())
}

fn digest(store: &Store) -> Result<(u64, String), String> {
    loop {
        let before = store.status().applied;
        let view = store.view();
        let mut hash = Sha256::new();
        for table in [TableId(1), TableId(2)] {
            let rows = view
                .range(table, &[], &[0xFF; 32], usize::MAX)
                .map_err(|e| e.to_string())?;
            for (key, value) in rows {
                hash.update((key.len() as u64).to_be_bytes());
                hash.update(&key);
                hash.update((value.len() as u64).to_be_bytes());
                hash.update(&value);
            }
        }
        if store.status().applied == before {
            let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((before, hex));
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

pub(super) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Without a parent there is nobody to tell.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
