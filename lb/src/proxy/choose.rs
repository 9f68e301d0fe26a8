//! Finds a node for a request, and waits for one while there is none.

use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::Proxy;
use super::context::Context;

use crate::limits::SECOND_ROUND_PAUSE_MS;
use crate::pool::{NodeSet, Pick};
use crate::{clock, entropy};

impl Proxy {
    /// The next node for a request. While no node is usable the request waits, for as long as `timeouts.hold_ms`.
    ///
    /// # Errors
    /// No node became usable in time, or too many requests wait already.
    pub(super) async fn choose(&self, context: &mut Context) -> Result<Box<HttpPeer>> {
        context.lease = None;
        let index = match self.cluster.pick(context.tried, entropy::draw()) {
            Pick::Node(index) => index,
            Pick::AllTried | Pick::NoneUsable => self.wait_for_node(context).await?,
        };
        let lease = self.cluster.lease(index);
        let Some(mut peer) = lease.node().map(|node| node.peer()) else {
            return Err(no_node("the picked node does not exist"));
        };
        peer.options.read_timeout = Some(self.timeouts.one_try.min(context.remaining()));
        context.lease = Some(lease);
        context.node = Some(index);
        context.tried.insert(index);
        context.attempts += 1;
        context.attempt_started = clock::now();
        Ok(peer)
    }

    async fn wait_for_node(&self, context: &mut Context) -> Result<usize> {
        let Some(_hold) = self.cluster.hold() else {
            return Err(no_node("too many requests wait for a node"));
        };
        let mut changes = self.cluster.changes();
        let given_up_at = clock::now() + self.timeouts.hold.min(context.remaining());
        loop {
            let remaining = given_up_at.saturating_duration_since(clock::now());
            let pause = match self.cluster.pick(context.tried, entropy::draw()) {
                Pick::Node(index) => return Ok(index),
                // Every usable node failed this request once: give them a moment, then start over.
                Pick::AllTried => Duration::from_millis(SECOND_ROUND_PAUSE_MS).min(remaining),
                Pick::NoneUsable => remaining,
            };
            let _ = timeout(pause, changes.changed()).await;
            context.tried = NodeSet::EMPTY;
            if given_up_at <= clock::now() {
                return Err(no_node("no node became usable in time"));
            }
        }
    }
}

fn no_node(why: &'static str) -> Box<Error> {
    Error::explain(ErrorType::HTTPStatus(503), why).into_in()
}
