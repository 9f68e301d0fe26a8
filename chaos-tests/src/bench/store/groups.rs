//! Entries to the disk: raw in groups, and one by one through the log of the store and through consensus of one member.

use super::{COMMAND_BYTES, Plan, Speed, folder};
use crate::member::{Site, config};
use bytes::Bytes;
use hdrhistogram::Histogram;
use raft_store::measure::LogPath;
use raft_store::{ApplyError, Limits, StateMachine, Store, Transaction};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The preallocated file; written again from its start when it is full.
const RAW_FILE_BYTES: u64 = 64 << 20;
/// What an entry has on disk beside its command.
const ENTRY_HEAD_BYTES: usize = 32;
/// Longer ones count as this long.
const LATENCY_US_MAX: u64 = 60_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers nothing and keeps nothing: what is measured is the way to it.
pub(super) struct Nothing;

impl StateMachine for Nothing {
    fn apply(&self, _: u64, _: &[u8], _: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        Ok(Bytes::new())
    }
}

/// Latencies of one measurement.
pub(super) struct Clock {
    begun: Instant,
    histogram: Histogram<u64>,
}

impl Clock {
    pub(super) fn start() -> Result<Self, String> {
        Ok(Self {
            begun: Instant::now(),
            histogram: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).map_err(|e| e.to_string())?,
        })
    }

    pub(super) fn runs(&self, time: Duration) -> bool {
        self.begun.elapsed() < time
    }

    pub(super) fn note(&mut self, took: Duration, entries: usize) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record_n(micros, entries as u64);
    }

    /// Entries per second, p50 and p99 in microseconds.
    pub(super) fn figures(&self) -> (f64, f64, f64) {
        let seconds = self.begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
        let figure = |value: u64| value as f64;
        (
            figure(self.histogram.len()) / seconds,
            figure(self.histogram.value_at_quantile(0.5)),
            figure(self.histogram.value_at_quantile(0.99)),
        )
    }

    fn finish(self, speed: &mut Speed) {
        let (per_second, p50, p99) = self.figures();
        speed.per_second.push(per_second);
        speed.p50_us.push(p50);
        speed.p99_us.push(p99);
    }
}

/// A file whose blocks are there already.
pub(super) struct RawLog {
    file: File,
    at: u64,
}

impl RawLog {
    pub(super) fn create(folder: &std::path::Path) -> Result<Self, String> {
        let words = |e: std::io::Error| format!("raw log: {e}");
        let file = File::create(folder.join("raw")).map_err(words)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..RAW_FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).map_err(words)?;
        }
        file.sync_all().map_err(words)?;
        Ok(Self { file, at: 0 })
    }

    pub(super) fn append(&mut self, group: &[u8]) -> Result<(), String> {
        if self.at + group.len() as u64 > RAW_FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(group, self.at).map_err(|e| e.to_string())?;
        self.at += group.len() as u64;
        self.file.sync_data().map_err(|e| e.to_string())
    }
}

pub(super) fn raw(plan: &Plan, speed: &mut Speed) -> Result<(), String> {
    let folder = folder(plan)?;
    let mut log = RawLog::create(folder.path())?;
    let group = vec![0x5A; speed.writers * (COMMAND_BYTES + ENTRY_HEAD_BYTES)];
    let mut clock = Clock::start()?;
    while clock.runs(plan.time) {
        let begun = Instant::now();
        log.append(&group)?;
        clock.note(begun.elapsed(), speed.writers);
    }
    clock.finish(speed);
    Ok(())
}

/// As many entries under way as there are writers, each handed over and answered by itself. One loop hands over the next
/// entry of a writer as soon as its last one is on disk; answers come in the order of the entries.
pub(super) async fn log_path(plan: &Plan, speed: &mut Speed) -> Result<(), String> {
    let words = |e: std::io::Error| format!("log of the store: {e}");
    let folder = folder(plan)?;
    let mut path = LogPath::open(folder.path()).map_err(|e| e.to_string())?;
    let command = Bytes::from(vec![0x5A; COMMAND_BYTES]);
    path.settle(&command).await.map_err(words)?;
    let mut under_way = VecDeque::with_capacity(speed.writers);
    let mut clock = Clock::start()?;
    for _ in 0..speed.writers {
        let begun = Instant::now();
        under_way.push_back((begun, path.append(command.clone()).await.map_err(words)?));
    }
    while let Some((begun, on_disk)) = under_way.pop_front() {
        on_disk.wait().await.map_err(words)?;
        let now = Instant::now();
        clock.note(now - begun, 1);
        if now - clock.begun < plan.time {
            under_way.push_back((now, path.append(command.clone()).await.map_err(words)?));
        }
    }
    clock.finish(speed);
    path.close().await.map_err(words)
}

/// A store that is its own majority.
pub(super) struct Member {
    store: Store,
    _site: Site,
    _folder: tempfile::TempDir,
}

impl Member {
    pub(super) async fn open(plan: &Plan) -> Result<Self, String> {
        let folder = folder(plan)?;
        let site = Site::new(&plan.program, 1)?;
        let data = folder.path().join("data");
        let config = config(1, site.addresses(), &site.papers(), &data, Limits::default())?;
        let store = Store::open(config, Arc::new(Nothing))
            .await
            .map_err(|e| e.to_string())?;
        store
            .read_barrier(Instant::now() + PATIENCE)
            .await
            .map_err(|e| e.to_string())?;
        Ok(Self {
            store,
            _site: site,
            _folder: folder,
        })
    }

    /// Proposals of so many clients, each waiting for its own.
    pub(super) async fn propose(&self, plan: &Plan, speed: &mut Speed) -> Result<(), String> {
        let mut clients = tokio::task::JoinSet::new();
        let mut whole = Clock::start()?;
        for _ in 0..speed.writers {
            clients.spawn(client(self.store.clone(), plan.time));
        }
        while let Some(latencies) = clients.join_next().await {
            let latencies = latencies.map_err(|e| e.to_string())??;
            whole.histogram.add(&latencies).map_err(|e| e.to_string())?;
        }
        whole.finish(speed);
        Ok(())
    }

    pub(super) async fn close(self) -> Result<(), String> {
        self.store.shutdown(Duration::ZERO).await.map_err(|e| e.to_string())
    }
}

/// Proposes one command after the other; how long each took.
pub(super) async fn client(store: Store, time: Duration) -> Result<Histogram<u64>, String> {
    let command = Bytes::from(vec![0x5A; COMMAND_BYTES]);
    let mut clock = Clock::start()?;
    while clock.runs(time) {
        let begun = Instant::now();
        store
            .propose(command.clone(), begun + PATIENCE)
            .await
            .map_err(|e| e.to_string())?;
        clock.note(begun.elapsed(), 1);
    }
    Ok(clock.histogram)
}
