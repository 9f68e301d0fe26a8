//! Arrivals at fixed rates, whatever the answers.

use super::stage::Stage;
use crate::workloads::{Row, Workload};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Arrivals of one workload that may be under way; more are not sent, and none is counted.
const UNDER_WAY_MAX: usize = 300;
/// How long the last arrivals may take.
const LAST_MAX: Duration = Duration::from_secs(90);

/// Clients at work.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Lets clients of every workload arrive, at `rate_percent` of the usual rates.
    pub(super) fn start(stage: &Arc<Stage>, workloads: Vec<(Row, Arc<dyn Workload>)>, rate_percent: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = workloads
            .into_iter()
            .map(|(row, workload)| {
                let pause = Duration::from_millis(row.every_ms) * 100 / rate_percent.max(1);
                tokio::spawn(arrivals(pause, workload, Arc::clone(stage), Arc::clone(&stop)))
            })
            .collect();
        Self { stop, tasks }
    }

    /// Nobody arrives any more; waits for those that are under way.
    pub(super) async fn finish(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            timeout(LAST_MAX, task)
                .await
                .map_err(|_| "clients did not end".to_owned())?
                .map_err(|e| format!("a workload failed: {e}"))?;
        }
        Ok(())
    }
}

async fn arrivals(pause: Duration, workload: Arc<dyn Workload>, stage: Arc<Stage>, stop: Arc<AtomicBool>) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    loop {
        let due = ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if under_way.len() < UNDER_WAY_MAX {
            under_way.spawn(Arc::clone(&workload).arrive(Arc::clone(&stage), due));
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}
