//! What many rows cost: time to open again, bytes on disk, memory. Each figure comes from a process of its own.

use super::{Plan, Restart, Rows, folder};
use crate::bench::series::Series;
use crate::member::{Site, config};
use bytes::Bytes;
use raft_store::verify::{Depth, due, verify};
use raft_store::{ApplyError, Limits, StateMachine, Store, TableId, Transaction};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TABLE: TableId = TableId(1);
const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 284;
const ROWS_PER_ENTRY: u64 = 4;
const CLIENTS: u64 = 64;
/// Rows of the store that the large one is compared with.
const FEW: u64 = 1000;
/// Commits of one client that are timed when all rows are there.
const COMMITS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(120);

/// A command is the number of the first of its rows.
struct Fill;

impl StateMachine for Fill {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let first = command.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        let first = first.ok_or_else(|| ApplyError::refused("a command that is too short"))?;
        for row in first..first + ROWS_PER_ENTRY {
            tables.put(TABLE, &scattered(row), &value(row))?;
        }
        Ok(Bytes::new())
    }
}

/// Rows do not come in the order of their keys.
fn scattered(row: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&row.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&row.to_be_bytes());
    key
}

fn value(row: u64) -> Vec<u8> {
    let mut seed = row | 1;
    let next = || {
        seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(VALUE_BYTES).collect()
}

/// A few rows, and many.
pub(super) fn measure(plan: &Plan) -> Result<(Rows, Rows), String> {
    Ok((one(plan, FEW)?, one(plan, plan.rows)?))
}

fn one(plan: &Plan, rows: u64) -> Result<Rows, String> {
    let folder = folder(plan)?;
    let site = Site::new(&plan.program, 1)?;
    let data = folder.path().join("data");
    let loaded = child(plan, &site, &data, &["store-load", "--rows", &rows.to_string()])?;
    let mut found = Rows {
        rows,
        live_bytes: rows * (KEY_BYTES + VALUE_BYTES) as u64,
        rows_per_second: number(&loaded, "rows_per_second"),
        disk_bytes: whole(&loaded, "disk_bytes"),
        resident_kib: (whole(&loaded, "resident_before_kib"), whole(&loaded, "resident_kib")),
        commit_us: number(&loaded, "commit_us"),
        ..Rows::default()
    };
    for _ in 0..plan.rounds {
        restart(plan, &site, &data, &["store-reopen", "--stay"], &mut found.after_kill)?;
    }
    // Its end is orderly, but its start is one after a kill.
    restart(plan, &site, &data, &["store-reopen"], &mut Restart::default())?;
    for _ in 0..plan.rounds {
        restart(plan, &site, &data, &["store-reopen"], &mut found.after_stop)?;
    }
    Ok(found)
}

/// What a node does at its start: reads everything, in a process of its own, if the last end was not orderly; opens.
fn restart(plan: &Plan, site: &Site, data: &Path, verb: &[&str], times: &mut Restart) -> Result<(), String> {
    let checked = number(&child(plan, site, data, &["store-check"])?, "check_ms");
    let opened = child(plan, site, data, verb)?;
    times.check_ms.push(checked);
    times.whole_ms.push(checked + number(&opened, "open_ms"));
    times.resident_kib = whole(&opened, "resident_kib");
    Ok(())
}

fn number(from: &Value, name: &str) -> f64 {
    from[name].as_f64().unwrap_or(0.0)
}

fn whole(from: &Value, name: &str) -> u64 {
    from[name].as_u64().unwrap_or(0)
}

/// Starts this program again, takes the one line that it prints, and kills it where it stands if it stays.
fn child(plan: &Plan, site: &Site, data: &Path, verb: &[&str]) -> Result<Value, String> {
    let address = site.addresses().first().ok_or("no address")?.to_string();
    let mut child = Command::new(&plan.program)
        .args(verb)
        .args(["--address", &address])
        .arg("--papers")
        .arg(site.papers())
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", plan.program.display()))?;
    let output = child.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    let read = BufReader::new(output).read_line(&mut line);
    let stays = verb.first() == Some(&"store-load") || verb.contains(&"--stay");
    if stays {
        child.kill().map_err(|e| e.to_string())?;
    }
    child.wait().map_err(|e| e.to_string())?;
    read.map_err(|e| e.to_string())?;
    serde_json::from_str(&line).map_err(|e| format!("{}: {e}: {line:?}", verb.join(" ")))
}

async fn open(address: SocketAddr, papers: &Path, data: &Path) -> Result<Store, String> {
    raft_store::install_real_fsync().map_err(|e| e.to_string())?;
    let config = config(1, &[address], papers, data, Limits::default())?;
    let store = Store::open(config, Arc::new(Fill)).await.map_err(|e| e.to_string())?;
    store
        .read_barrier(Instant::now() + PATIENCE)
        .await
        .map_err(|e| e.to_string())?;
    Ok(store)
}

/// Loads rows, tells what they cost, and stays until it is killed.
///
/// # Errors
/// The store does not open, or fails.
pub async fn load(address: SocketAddr, papers: &Path, data: &Path, rows: u64) -> Result<(), String> {
    let store = open(address, papers, data).await?;
    let before = resident_kib();
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(fill(store.clone(), client, rows));
    }
    while let Some(filled) = clients.join_next().await {
        filled.map_err(|e| e.to_string())??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people, far below 2^52")]
    let rows_per_second = rows as f64 / seconds;
    let commit_us = commit(&store, rows).await?;
    let told = serde_json::json!({
        "commit_us": commit_us,
        "rows_per_second": rows_per_second,
        "disk_bytes": crate::canary::files_below(data)?.iter().map(|f| size(f)).sum::<u64>(),
        "resident_before_kib": before,
        "resident_kib": resident_kib(),
    });
    println!("{told}");
    std::future::pending().await
}

async fn fill(store: Store, client: u64, rows: u64) -> Result<(), String> {
    let mut first = client * ROWS_PER_ENTRY;
    while first < rows {
        put(&store, first).await?;
        first += CLIENTS * ROWS_PER_ENTRY;
    }
    Ok(())
}

async fn put(store: &Store, first: u64) -> Result<(), String> {
    // An entry is as large on disk as the rows that it stands for would make it.
    let mut command = first.to_be_bytes().to_vec();
    for row in first..first + ROWS_PER_ENTRY {
        command.extend(value(row));
    }
    let proposed = store.propose(Bytes::from(command), Instant::now() + PATIENCE).await;
    proposed.map(drop).map_err(|e| e.to_string())
}

/// Median time of a commit that changes rows which are there, all over the table, one after the other.
async fn commit(store: &Store, rows: u64) -> Result<f64, String> {
    let mut times = Series::default();
    let groups = (rows / ROWS_PER_ENTRY).max(1);
    for number in 0..COMMITS {
        let begun = Instant::now();
        put(store, number * groups / COMMITS * ROWS_PER_ENTRY).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times.median())
}

/// Reads everything in a folder, if a node would before it opens it, and tells how long that took.
///
/// # Errors
/// The folder is not sound.
pub fn check(data: &Path) -> Result<(), String> {
    raft_store::install_real_fsync().map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let depth = due(data, crate::clock::now());
    if let Depth::Full(_) = depth {
        verify(data, crate::clock::now()).map_err(|e| e.to_string())?;
    }
    let told = serde_json::json!({ "check_ms": begun.elapsed().as_secs_f64() * 1e3 });
    println!("{told}");
    Ok(())
}

/// Opens, tells how long it took until a read was answered, and closes in order or stays until it is killed.
///
/// # Errors
/// The store does not open, or fails.
pub async fn reopen(address: SocketAddr, papers: &Path, data: &Path, stay: bool) -> Result<(), String> {
    let begun = Instant::now();
    let store = open(address, papers, data).await?;
    let told = serde_json::json!({
        "open_ms": begun.elapsed().as_secs_f64() * 1e3,
        "resident_kib": resident_kib(),
    });
    println!("{told}");
    if stay {
        return std::future::pending().await;
    }
    store.shutdown(Duration::ZERO).await.map_err(|e| e.to_string())
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

fn resident_kib() -> u64 {
    crate::bench::process::resident_kib(std::process::id())
}
