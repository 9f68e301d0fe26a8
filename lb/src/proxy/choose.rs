//! Finds a node for a request, and waits for one while there is none.

use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::Proxy;
use super::context::Context;
use super::route::RouteClass;
use crate::cluster::Lease;
use crate::limits::{NODE_STREAM_READ_MS_MAX, SECOND_ROUND_PAUSE_MS};
use crate::pool::{NodeSet, Pick};
use crate::{clock, entropy};

impl Proxy {
    /// The next node for a request. While no node is usable the request waits, for as long as `timeouts.hold_ms`.
    ///
    /// # Errors
    /// No node became usable in time, or too many requests wait already.
    pub(super) async fn choose(&self, context: &mut Context) -> Result<Box<HttpPeer>> {
        context.lease = None;
        let lease = match self.cluster.take(context.tried, entropy::draw()) {
            Ok(lease) => lease,
            Err(Pick::AllFull | Pick::Node(_)) => return Err(self.overloaded()),
            Err(Pick::AllTried | Pick::NoneUsable) => self.wait_for_node(context).await?,
        };
        let mut peer = lease.node().peer();
        peer.options.read_timeout = Some(match context.route {
            RouteClass::Stream => Duration::from_millis(NODE_STREAM_READ_MS_MAX),
            RouteClass::Login
            | RouteClass::Refresh
            | RouteClass::Api
            | RouteClass::Keys
            | RouteClass::Page
            | RouteClass::Refused => context.live.config.timeouts.one_try.min(context.remaining()),
        });
        context.node = Some(Arc::clone(lease.node()));
        context.tried.insert(lease.node().slot);
        context.lease = Some(lease);
        context.attempts += 1;
        context.attempt_started = clock::now();
        Ok(peer)
    }

    /// To queue behind full nodes would only make everybody wait; whoever is told can come back.
    fn overloaded(&self) -> Box<Error> {
        self.metrics.overloaded("node_in_flight");
        no_node("every usable node has all the requests that it may have")
    }

    async fn wait_for_node(&self, context: &mut Context) -> Result<Lease> {
        let Some(_hold) = self.cluster.hold() else {
            self.metrics.overloaded("held");
            return Err(no_node("too many requests wait for a node"));
        };
        let mut changes = self.cluster.changes();
        let given_up_at = clock::now() + context.live.config.timeouts.hold.min(context.remaining());
        loop {
            let remaining = given_up_at.saturating_duration_since(clock::now());
            let pause = match self.cluster.take(context.tried, entropy::draw()) {
                Ok(lease) => return Ok(lease),
                Err(Pick::AllFull | Pick::Node(_)) => return Err(self.overloaded()),
                // Every usable node failed this request once: give them a moment, then start over.
                Err(Pick::AllTried) => Duration::from_millis(SECOND_ROUND_PAUSE_MS).min(remaining),
                Err(Pick::NoneUsable) => remaining,
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
