//! Logins at a fixed rate, whatever the answers: arrivals do not wait, and a latency counts from when its request should
//! have left. So a pause of the cluster is seen by every request that falls into it.

use crate::api::Api;
use crate::pool::Pool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// One login.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it should have left.
    pub due: Instant,
    /// When its answer came, or was given up.
    pub done: Instant,
    /// `None` for a 200; else what went wrong.
    pub failure: Option<String>,
}

/// Logins under way.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Sample>>,
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How many logins were sent.
    pub logins: usize,
    /// What went wrong, one line each.
    pub failures: Vec<String>,
    /// Longest time without a success.
    pub longest_gap: Duration,
    /// Half of the logins took at most this.
    pub p50: Duration,
    /// 99 of 100 logins took at most this.
    pub p99: Duration,
}

impl Traffic {
    /// Begins to log in, `per_second` times each second.
    #[must_use]
    pub fn start(api: Api, pool: Arc<Pool>, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(arrivals(api, pool, per_second, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Sends no more, waits for what is under way.
    ///
    /// # Errors
    /// The task failed.
    pub async fn finish(self) -> Result<Vec<Sample>, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task
            .await
            .map_err(|e| format!("the traffic of the test failed: {e}"))
    }
}

async fn arrivals(api: Api, pool: Arc<Pool>, per_second: u32, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await;
        match pool.take() {
            Some(attempt) => {
                let api = api.clone();
                under_way.spawn(async move {
                    let failure = match api.log_in(&attempt.person, &attempt.code).await {
                        Ok(answer) if answer.status == 200 => None,
                        Ok(answer) => Some(format!(
                            "{}: {} {}",
                            attempt.person.username,
                            answer.status,
                            answer.text("detail")
                        )),
                        Err(reason) => Some(format!("{}: no answer: {reason}", attempt.person.username)),
                    };
                    Sample {
                        due,
                        done: Instant::now(),
                        failure,
                    }
                });
            }
            // A fault of the test, not of the cluster: too few accounts for the rate.
            None => samples.push(Sample {
                due,
                done: due,
                failure: Some("the pool has no unused code left".to_owned()),
            }),
        }
        while let Some(Ok(sample)) = under_way.try_join_next() {
            samples.push(sample);
        }
    }
    while let Some(joined) = under_way.join_next().await {
        samples.extend(joined.ok());
    }
    samples
}

impl Report {
    /// The figures of these logins; none may be missing from a run of no logins.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let mut latencies: Vec<Duration> = samples.iter().map(|s| s.done - s.due).collect();
        latencies.sort_unstable();
        let mut successes: Vec<Instant> = samples.iter().filter(|s| s.failure.is_none()).map(|s| s.done).collect();
        successes.sort_unstable();
        let gaps = successes.windows(2).map(|pair| pair[1] - pair[0]);
        Self {
            logins: samples.len(),
            failures: samples.iter().filter_map(|s| s.failure.clone()).collect(),
            longest_gap: gaps.max().unwrap_or_default(),
            p50: quantile(&latencies, 50),
            p99: quantile(&latencies, 99),
        }
    }
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_millis();
        write!(
            f,
            "{} logins, {} failed, longest gap {} ms, p50 {} ms, p99 {} ms",
            self.logins,
            self.failures.len(),
            ms(self.longest_gap),
            ms(self.p50),
            ms(self.p99)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn figures_count_from_when_a_login_was_due() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let ok = |due, done| Sample {
            due: at(due),
            done: at(done),
            failure: None,
        };
        let mut samples = vec![ok(0, 20), ok(100, 120), ok(200, 3_200), ok(300, 3_210)];
        samples.push(Sample {
            due: at(400),
            done: at(500),
            failure: Some("503".into()),
        });
        let report = Report::of(&samples);
        assert_eq!((report.logins, report.failures.len()), (5, 1));
        assert_eq!(report.longest_gap, Duration::from_millis(3_080));
        assert_eq!(report.p50, Duration::from_millis(100));
        assert_eq!(report.p99, Duration::from_millis(3_000));
        assert_eq!(Report::of(&[]).logins, 0);
    }
}
