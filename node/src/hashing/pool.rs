//! The threads that hash, and the handle that requests hold.

use super::params::{HashParams, SALT_BYTES};
use super::phc::{self, StoredHash};
use super::queue::{Queue, Queued};
use super::{HashError, HashMetrics};
use crate::{clock, entropy};
use argon2::Block;
use secrecy::{ExposeSecret as _, SecretString};
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Nice value of hash threads. The runtime that answers heartbeats and the disk run at 0: with every core full of
/// hashes it still gets nine tenths of one when it asks.
const NICE: i32 = 10;

/// Settings of the pool.
#[derive(Clone, Copy, Debug)]
pub struct HashSettings {
    /// Threads; each keeps `params.memory_kib()` of memory.
    pub threads: NonZeroUsize,
    /// Jobs that wait at most.
    pub queue_max: usize,
    /// Cost of new hashes.
    pub params: HashParams,
}

/// The pool. Cheap to clone; its threads end when the last handle is dropped.
#[derive(Clone)]
pub struct HashPool {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue<Job>>,
    params: HashParams,
}

struct Job {
    task: Task,
    password: Zeroizing<Vec<u8>>,
    answer: oneshot::Sender<Result<Outcome, HashError>>,
}

enum Task {
    Hash { salt: [u8; SALT_BYTES] },
    Verify { stored: Box<StoredHash> },
}

enum Outcome {
    Hashed(Zeroizing<String>),
    Verified(bool),
}

impl HashPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: HashSettings) -> io::Result<Self> {
        let threads = u32::try_from(settings.threads.get()).unwrap_or(u32::MAX);
        let queue = Arc::new(Queue::new(settings.queue_max, threads));
        let pool = Self {
            handle: Arc::new(Handle {
                queue: queue.clone(),
                params: settings.params,
            }),
        };
        for number in 0..settings.threads.get() {
            let queue = queue.clone();
            let params = settings.params;
            std::thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&queue, params))?;
        }
        Ok(pool)
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// When it cannot be done by `deadline`, or the pool has stopped.
    pub async fn hash(&self, password: &SecretString, deadline: Instant) -> Result<Zeroizing<String>, HashError> {
        let task = Task::Hash { salt: entropy::bytes() };
        match self.run(task, password, deadline).await? {
            Outcome::Hashed(phc) => Ok(phc),
            Outcome::Verified(_) => Err(HashError::Stopped),
        }
    }

    /// Whether `phc` was made from `password`.
    ///
    /// # Errors
    /// As [`Self::hash`]; and when `phc` is not a hash that is bounded here.
    pub async fn verify(&self, phc: &str, password: &SecretString, deadline: Instant) -> Result<bool, HashError> {
        let stored = Box::new(StoredHash::parse(phc).map_err(HashError::BadRecord)?);
        match self.run(Task::Verify { stored }, password, deadline).await? {
            Outcome::Verified(matches) => Ok(matches),
            Outcome::Hashed(_) => Err(HashError::Stopped),
        }
    }

    /// Costs what [`Self::verify`] of a new hash costs, for a name that nobody has (EN-2).
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn verify_nobody(&self, password: &SecretString, deadline: Instant) -> Result<(), HashError> {
        self.hash(password, deadline).await.map(|_| ())
    }

    /// Whether a stored hash is cheaper than new ones are (PW-6). One that cannot be read is not.
    #[must_use]
    pub fn is_outdated(&self, phc: &str) -> bool {
        StoredHash::parse(phc).is_ok_and(|stored| stored.cost() < self.handle.params.cost())
    }

    /// What the pool did.
    #[must_use]
    pub fn metrics(&self) -> &HashMetrics {
        &self.handle.queue.metrics
    }

    async fn run(&self, task: Task, password: &SecretString, deadline: Instant) -> Result<Outcome, HashError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            task,
            password: normalised(password),
            answer,
        };
        self.handle.queue.push(job, clock::monotonic(), deadline)?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(outcome) => outcome.map_err(|_| HashError::Stopped)?,
            // The job is dropped when its turn comes: nobody waits for it any more.
            Err(_) => Err(HashError::Overloaded { retry_after_s: 1 }),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

/// The password in NFC, so that every keyboard's form of the same text is the same password (PW-4).
fn normalised(password: &SecretString) -> Zeroizing<Vec<u8>> {
    let text = password.expose_secret();
    // A buffer that grew would leave copies behind; NFC of a text is at most three times as long (UAX #15).
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 3));
    let mut buffer = [0; 4];
    for character in text.nfc() {
        bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
    bytes
}

fn work(queue: &Queue<Job>, params: HashParams) {
    // On Linux this is the calling thread only. Without the right to do it hashing is merely less polite.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "a hash thread keeps its priority");
    }
    let mut blocks = vec![Block::default(); params.memory_kib() as usize];
    while let Some(queued) = queue.pop() {
        let started = clock::monotonic();
        queue.metrics.queue_wait.record(started - queued.enqueued_at);
        let Queued { job, deadline, .. } = queued;
        if job.answer.is_closed() || started >= deadline {
            queue.done(None);
            let _ = job.answer.send(Err(HashError::Overloaded { retry_after_s: 1 }));
            continue;
        }
        // A thread that died would leave requests waiting for nothing.
        let outcome = catch_unwind(AssertUnwindSafe(|| perform(&job, params, &mut blocks)))
            .unwrap_or_else(|_| Err(HashError::BadRecord("hashing panicked".into())));
        queue.done(Some(clock::monotonic() - started));
        // Nobody may be waiting any more: that is no fault.
        let _ = job.answer.send(outcome);
        // A dearer hash made the buffer grow: memory goes back to what was configured.
        if blocks.len() > params.memory_kib() as usize {
            blocks = vec![Block::default(); params.memory_kib() as usize];
        }
    }
}

fn perform(job: &Job, params: HashParams, blocks: &mut Vec<Block>) -> Result<Outcome, HashError> {
    match &job.task {
        Task::Hash { salt } => phc::hash(params, &job.password, salt, blocks).map(Outcome::Hashed),
        Task::Verify { stored } => stored.matches(&job.password, blocks).map(Outcome::Verified),
    }
    .map_err(HashError::BadRecord)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    fn pool() -> HashPool {
        let threads = NonZeroUsize::MIN;
        HashPool::start(HashSettings {
            threads,
            queue_max: 16,
            params: HashParams::default(),
        })
        .unwrap()
    }

    fn in_a_minute() -> Instant {
        clock::monotonic() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn pw_4_nfc_and_nfd_forms_are_the_same_password() {
        let pool = pool();
        let composed = SecretString::from("caf\u{e9} creme 12");
        let decomposed = SecretString::from("cafe\u{301} creme 12");
        let phc = pool.hash(&composed, in_a_minute()).await.unwrap();
        assert!(pool.verify(&phc, &decomposed, in_a_minute()).await.unwrap());
        assert!(
            !pool
                .verify(&phc, &SecretString::from("cafe creme 12"), in_a_minute())
                .await
                .unwrap()
        );
        assert_ne!(
            *phc,
            *pool.hash(&composed, in_a_minute()).await.unwrap(),
            "salts differ"
        );
    }

    #[tokio::test]
    async fn jobs_whose_requester_has_gone_are_dropped() {
        let pool = pool();
        let password = SecretString::from("password");
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(pool.hash(&password, in_a_minute()))).collect();
        for hash in &mut waiting {
            assert!(poll_once(hash.as_mut()).is_none(), "is in the queue now");
        }
        // The first one hashes for milliseconds; the others are given up behind it.
        let first = waiting.swap_remove(0);
        drop(waiting);
        first.await.unwrap();
        pool.hash(&password, in_a_minute()).await.unwrap();
        assert_eq!(pool.metrics().abandoned.load(Ordering::Relaxed), 3);
        assert_eq!(pool.metrics().hash_time.count(), 2);
    }

    #[tokio::test]
    async fn records_that_are_no_hashes_are_told_apart_from_wrong_passwords() {
        let verdict = pool()
            .verify("not a hash", &SecretString::from("x"), in_a_minute())
            .await;
        assert!(matches!(verdict, Err(HashError::BadRecord(_))));
    }

    fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
