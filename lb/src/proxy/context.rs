//! What is remembered about one request while it is worked on. Data and small questions about it; no decisions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use pingora::proxy::Session;

use super::retry::{Cause, Situation};
use super::route::RouteClass;
use crate::cluster::{Lease, Node};
use crate::config::StrictTransport;
use crate::drain::Presence;
use crate::entropy::HexId;
use crate::live::Live;
use crate::pool::{NodeSet, View};
use crate::{clock, entropy};

/// One request.
pub struct Context {
    /// Id in every log.
    pub id: HexId,
    /// Id of the operation, the same at every attempt; on mutating requests only.
    pub operation: Option<HexId>,
    /// When it came.
    pub started: Instant,
    /// When it must be answered.
    pub deadline: Instant,
    /// The settings that it goes by, from beginning to end.
    pub live: Arc<Live>,
    /// Class.
    pub route: RouteClass,
    /// The line of the surface, as a pattern without anything that a client sent; empty when it was refused.
    pub pattern: &'static str,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// Whether strict transport security may be announced; unknown until the host is known.
    pub strict_transport: Option<StrictTransport>,
    /// Bytes of the body, which are all here before a node is picked.
    pub body_bytes: usize,
    /// Nodes that it was sent to.
    pub tried: NodeSet,
    /// When it was sent last.
    pub attempt_started: Instant,
    /// Times it was sent.
    pub attempts: u32,
    /// Times it was sent again after an open outcome.
    pub open_outcome_retries: u32,
    /// A node may have done what was asked, though no answer came.
    pub is_outcome_open: bool,
    /// The node that works on it or did last.
    pub node: Option<Arc<Node>>,
    /// Counts it there, until the node's answer is complete.
    pub lease: Option<Lease>,
    /// From sending it the last time to the head of the answer.
    pub answer_took: Option<Duration>,
    /// The trace that the node was told, in the form of W3C Trace Context.
    pub trace: Option<HeaderValue>,
    /// Why the last attempt failed, when the answer itself told.
    pub told_cause: Option<Cause>,
    /// Keeps a drain waiting.
    _presence: Presence,
}

impl Context {
    /// A request that came now.
    pub fn new(live: Arc<Live>, presence: Presence) -> Self {
        let started = clock::now();
        Self {
            id: entropy::id(),
            operation: None,
            started,
            deadline: started + live.config.timeouts.request,
            live,
            route: RouteClass::Refused,
            pattern: "",
            client: None,
            strict_transport: None,
            body_bytes: 0,
            tried: NodeSet::EMPTY,
            attempt_started: started,
            attempts: 0,
            open_outcome_retries: 0,
            is_outcome_open: false,
            node: None,
            lease: None,
            answer_took: None,
            trace: None,
            told_cause: None,
            _presence: presence,
        }
    }

    /// Name of the node that works on it or did last.
    pub fn node_name(&self) -> &str {
        self.node.as_ref().map_or("", |node| &node.config.name)
    }

    /// Time to the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }

    /// The situation after an attempt failed.
    pub fn situation(&self, session: &Session, cause: Cause, view: &View) -> Situation {
        let answer_begun = session
            .response_written()
            .is_some_and(|head| !head.status.is_informational());
        Situation {
            cause,
            answer_begun,
            is_replayable: !session.as_downstream().retry_buffer_truncated(),
            is_other_node_left: !view.ready.minus(self.tried).is_empty(),
            attempts: self.attempts,
            open_outcome_retries: self.open_outcome_retries,
            attempt_took: clock::now().saturating_duration_since(self.attempt_started),
            remaining: self.remaining(),
        }
    }
}
