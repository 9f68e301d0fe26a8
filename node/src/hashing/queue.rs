//! The bounded queue between requests and hash threads: who may enter, who is dropped.

use super::{HashError, HashMetrics};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// First guess of the time of one hash, before any was measured.
const FIRST_GUESS: Duration = Duration::from_millis(20);
/// Share of a new measurement in the moving average: one of this many.
const AVERAGE_OVER: u64 = 8;

/// What is known of a job without knowing what it does.
pub(super) struct Queued<J> {
    pub(super) job: J,
    pub(super) enqueued_at: Instant,
    pub(super) deadline: Instant,
}

/// Jobs in order of arrival.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    filled: Condvar,
    jobs_max: usize,
    threads: u32,
    average_us: AtomicU64,
    pub(super) metrics: HashMetrics,
}

struct State<J> {
    jobs: VecDeque<Queued<J>>,
    running: u32,
    stopped: bool,
}

impl<J> Queue<J> {
    pub(super) fn new(jobs_max: usize, threads: u32) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::with_capacity(jobs_max),
                running: 0,
                stopped: false,
            }),
            filled: Condvar::new(),
            jobs_max,
            threads: threads.max(1),
            average_us: AtomicU64::new(FIRST_GUESS.as_micros() as u64),
            metrics: HashMetrics::default(),
        }
    }

    /// Lets a job in, unless it could not be done by its deadline anyway.
    pub(super) fn push(&self, job: J, now: Instant, deadline: Instant) -> Result<(), HashError> {
        let mut state = self.state.lock();
        if state.stopped {
            return Err(HashError::Stopped);
        }
        let ahead = u32::try_from(state.jobs.len())
            .unwrap_or(u32::MAX)
            .saturating_add(state.running);
        let average = Duration::from_micros(self.average_us.load(Ordering::Relaxed));
        // Rounds of all threads that must end before this one's own does.
        let expected = average.saturating_mul(ahead / self.threads + 1);
        if state.jobs.len() >= self.jobs_max || now + expected > deadline {
            self.metrics.rejected.fetch_add(1, Ordering::Relaxed);
            return Err(HashError::Overloaded {
                retry_after_s: expected.as_secs() + 1,
            });
        }
        state.jobs.push_back(Queued {
            job,
            enqueued_at: now,
            deadline,
        });
        self.metrics.queued.store(state.jobs.len() as u64, Ordering::Relaxed);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for the next job; none when the pool has stopped. Each returned job must be followed by [`Self::done`].
    pub(super) fn pop(&self) -> Option<Queued<J>> {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                self.metrics.queued.store(state.jobs.len() as u64, Ordering::Relaxed);
                return Some(job);
            }
            self.filled.wait(&mut state);
        }
    }

    /// A popped job is over; `took` is none when it was dropped instead of done.
    pub(super) fn done(&self, took: Option<Duration>) {
        self.state.lock().running -= 1;
        let Some(took) = took else {
            self.metrics.abandoned.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.metrics.hash_time.record(took);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Lost updates of a moving average do not matter.
        let average = self.average_us.load(Ordering::Relaxed);
        self.average_us
            .store(average - average / AVERAGE_OVER + us / AVERAGE_OVER, Ordering::Relaxed);
    }

    /// Lets nobody in and wakes every thread so that it ends. Waiting jobs are dropped.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        state.jobs.clear();
        drop(state);
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn av_1_a_full_queue_and_a_hopeless_deadline_are_refused_at_the_door() {
        let queue = Queue::new(2, 1);
        let now = monotonic();
        let far = now + Duration::from_secs(60);
        assert!(
            queue.push(1, now, now + Duration::from_millis(1)).is_err(),
            "one hash takes longer than 1 ms"
        );
        queue.push(1, now, far).unwrap();
        // One ahead, two times 20 ms: 30 ms are not enough, 50 are.
        assert!(queue.push(2, now, now + Duration::from_millis(30)).is_err());
        queue.push(2, now, now + Duration::from_millis(50)).unwrap();
        assert!(matches!(queue.push(3, now, far), Err(HashError::Overloaded { .. })));
        assert_eq!(queue.metrics.rejected.load(Ordering::Relaxed), 3);
        assert_eq!(queue.pop().map(|queued| queued.job), Some(1));
        queue.push(3, now, far).unwrap();
        queue.stop();
        assert!(queue.pop().is_none());
        assert!(matches!(queue.push(4, now, far), Err(HashError::Stopped)));
    }

    #[test]
    fn the_expected_wait_follows_what_was_measured() {
        let queue = Queue::new(8, 2);
        let now = monotonic();
        for job in 0..40 {
            queue.push(job, now, now + Duration::from_secs(9)).unwrap();
            queue.pop();
            queue.done(Some(Duration::from_secs(1)));
        }
        assert!(queue.push(0, now, now + Duration::from_millis(500)).is_err());
        queue.push(0, now, now + Duration::from_secs(2)).unwrap();
    }
}
