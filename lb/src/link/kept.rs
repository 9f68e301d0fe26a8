//! Connections to one node that wait for the next request. It makes none.
//!
//! What was connected to one start of the node, or verified with one set of certificates and authorities, is never used for
//! another: each such change begins an era, and connections of an earlier one are closed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio_rustls::client::TlsStream;

use crate::clock;
use crate::limits::{NODE_CONNECTIONS_IDLE_MAX, NODE_IDLE_SECONDS_MAX};

/// Counts the starts of a node that we met, together with the changes of our trust in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Era(u64);

/// A connection to a node.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TlsStream<TcpStream>,
    /// None when it was outdated from the beginning: it may be used, but not kept.
    pub(super) era: Option<Era>,
}

/// Connections that nobody uses now, the one that was used last at the end.
#[derive(Debug, Default)]
pub struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    incarnation: String,
    trust_generation: u64,
    era: u64,
    idle: VecDeque<Idle>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Kept {
    /// The node tells which start of its this is.
    pub fn meet(&self, incarnation: &str) {
        let mut state = self.0.lock();
        if state.incarnation != incarnation {
            incarnation.clone_into(&mut state.incarnation);
            let outdated = state.begin_era();
            drop(state);
            drop(outdated);
        }
    }

    /// Certificates and authorities of this generation count from now on.
    pub fn trust(&self, generation: u64) {
        let mut state = self.0.lock();
        if state.trust_generation != generation {
            state.trust_generation = generation;
            let outdated = state.begin_era();
            drop(state);
            drop(outdated);
        }
    }

    /// Closes what was idle for too long, and what the node closed.
    pub fn tidy(&self) {
        self.tidy_at(clock::now());
    }

    pub(super) fn tidy_at(&self, now: Instant) {
        let limit = Duration::from_secs(NODE_IDLE_SECONDS_MAX);
        let mut gone = Vec::new();
        let mut state = self.0.lock();
        let all = std::mem::take(&mut state.idle);
        for mut idle in all {
            let is_young = now.saturating_duration_since(idle.since) < limit;
            if is_young && is_silent(&mut idle.connection.stream) {
                state.idle.push_back(idle);
            } else {
                gone.push(idle);
            }
        }
        drop(state);
    }

    /// The era for connections that are made under this generation of certificates; none when there is a later one.
    pub(super) fn era(&self, trust_generation: u64) -> Option<Era> {
        let state = self.0.lock();
        (state.trust_generation == trust_generation).then_some(Era(state.era))
    }

    /// The connection that was used last, of those that live.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.0.lock().idle.pop_back()?.connection;
            if is_silent(&mut connection.stream) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose last answer is complete, unless it is outdated.
    pub(super) fn give_back(&self, connection: Connection) {
        let since = clock::now();
        let mut state = self.0.lock();
        if connection.era == Some(Era(state.era)) {
            let surplus = (state.idle.len() >= NODE_CONNECTIONS_IDLE_MAX)
                .then(|| state.idle.pop_front())
                .flatten();
            state.idle.push_back(Idle { connection, since });
            drop(state);
            drop(surplus);
        }
    }
}

#[cfg(test)]
impl Kept {
    pub(super) fn count(&self) -> usize {
        self.0.lock().idle.len()
    }
}

impl State {
    #[must_use = "to close them takes longer than the lock should be held"]
    fn begin_era(&mut self) -> VecDeque<Idle> {
        self.era += 1;
        std::mem::take(&mut self.idle)
    }
}

/// Whether a connection has nothing to say, not even that it is closed: a node says nothing that it was not asked.
fn is_silent(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut byte = [0];
    let asking = poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut byte);
        Pin::new(&mut *stream).poll_read(cx, &mut buf)
    });
    // Out of its budget a task would be told that there is nothing to read, whatever there is.
    pin!(unconstrained(asking))
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}
