//! Whether a request that failed at a node is sent to another one. Pure.
//!
//! Repeating is safe for every method: a node recognises an operation id that it has seen, and gives the first reply.

use std::time::Duration;

use crate::limits::{
    ATTEMPTS_PER_REQUEST_MAX, RETRY_REMAINING_MS_MIN, UNKNOWN_OUTCOME_RETRIES_MAX, UNKNOWN_RETRY_REMAINING_MS_MIN,
};

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No connection: nothing was sent.
    Connect,
    /// The connection broke after something was sent.
    Broken,
    /// The node did not answer in time.
    Silent,
    /// The node says that it did nothing.
    NotExecuted,
    /// The node answers that it cannot tell the outcome, or that something behind it failed.
    OpenOutcome,
    /// Something on this side, before the node was involved.
    Internal,
    /// The client is gone or sent nonsense while a node was at work.
    Client,
}

impl Cause {
    /// Name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::NotExecuted => "not_executed",
            Self::OpenOutcome => "open_outcome",
            Self::Internal => "internal",
            Self::Client => "client",
        }
    }

    /// Whether a repetition is work that the nodes get on top. Where nothing was sent there is none.
    pub fn costs_budget(self) -> bool {
        match self {
            Self::Broken | Self::Silent | Self::NotExecuted | Self::OpenOutcome => true,
            Self::Connect | Self::Internal | Self::Client => false,
        }
    }

    /// Whether the node may have done what was asked.
    pub fn leaves_outcome_open(self) -> bool {
        match self {
            Self::Broken | Self::Silent | Self::OpenOutcome | Self::Client => true,
            Self::Connect | Self::NotExecuted | Self::Internal => false,
        }
    }
}

/// Everything that decides.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Why the attempt failed.
    pub cause: Cause,
    /// The client has seen the beginning of an answer.
    pub answer_begun: bool,
    /// The body can be sent once more.
    pub is_replayable: bool,
    /// A usable node has not seen the request yet.
    pub is_other_node_left: bool,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// Repetitions so far after an open outcome.
    pub open_outcome_retries: u32,
    /// Time that the attempt took.
    pub attempt_took: Duration,
    /// Time to the deadline of the request.
    pub remaining: Duration,
}

/// Whether another node should get the request.
pub fn should_repeat(situation: &Situation) -> bool {
    let remaining_min = match situation.cause {
        Cause::Client => return false,
        // What took the same node so long before would be cut off by the deadline now, and leave the outcome open.
        Cause::NotExecuted if !situation.is_other_node_left && situation.attempt_took >= situation.remaining => {
            return false;
        }
        Cause::OpenOutcome if situation.open_outcome_retries >= UNKNOWN_OUTCOME_RETRIES_MAX => return false,
        // The same node would only wait for the same quorum once more.
        Cause::OpenOutcome if !situation.is_other_node_left => return false,
        Cause::OpenOutcome => UNKNOWN_RETRY_REMAINING_MS_MIN,
        Cause::Connect | Cause::Broken | Cause::Silent | Cause::NotExecuted | Cause::Internal => RETRY_REMAINING_MS_MIN,
    };
    !situation.answer_begun
        && situation.is_replayable
        && situation.attempts < ATTEMPTS_PER_REQUEST_MAX
        && situation.remaining >= Duration::from_millis(remaining_min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(cause: Cause) -> Situation {
        Situation {
            cause,
            answer_begun: false,
            is_replayable: true,
            is_other_node_left: true,
            attempts: 1,
            open_outcome_retries: 0,
            attempt_took: Duration::from_millis(1),
            remaining: Duration::from_secs(5),
        }
    }

    #[test]
    fn whatever_happens_at_a_node_is_repeated_elsewhere() {
        for cause in [
            Cause::Connect,
            Cause::Broken,
            Cause::Silent,
            Cause::NotExecuted,
            Cause::OpenOutcome,
        ] {
            assert!(should_repeat(&situation(cause)), "{cause:?}");
        }
        assert!(!should_repeat(&situation(Cause::Client)));
    }

    #[test]
    fn nothing_is_repeated_once_the_client_saw_an_answer_or_time_is_up() {
        let broken = situation(Cause::Broken);
        assert!(!should_repeat(&Situation {
            answer_begun: true,
            ..broken
        }));
        assert!(!should_repeat(&Situation {
            is_replayable: false,
            ..broken
        }));
        assert!(!should_repeat(&Situation {
            attempts: ATTEMPTS_PER_REQUEST_MAX,
            ..broken
        }));
        assert!(!should_repeat(&Situation {
            remaining: Duration::from_millis(RETRY_REMAINING_MS_MIN - 1),
            ..broken
        }));
    }

    #[test]
    fn an_open_outcome_is_asked_about_once_more_only() {
        let open = situation(Cause::OpenOutcome);
        assert!(!should_repeat(&Situation {
            open_outcome_retries: UNKNOWN_OUTCOME_RETRIES_MAX,
            ..open
        }));
        assert!(!should_repeat(&Situation {
            remaining: Duration::from_millis(500),
            ..open
        }));
    }

    #[test]
    fn a_node_that_refused_late_is_not_asked_again_when_time_runs_out() {
        let late = Situation {
            attempt_took: Duration::from_secs(5),
            ..situation(Cause::NotExecuted)
        };
        assert!(should_repeat(&late));
        assert!(!should_repeat(&Situation {
            is_other_node_left: false,
            ..late
        }));
        let early = Situation {
            is_other_node_left: false,
            ..situation(Cause::NotExecuted)
        };
        assert!(should_repeat(&early));
    }

    #[test]
    fn an_open_outcome_is_not_asked_about_at_the_same_node() {
        let open = situation(Cause::OpenOutcome);
        assert!(!should_repeat(&Situation {
            is_other_node_left: false,
            ..open
        }));
    }

    #[test]
    fn only_what_reached_a_node_leaves_the_outcome_open() {
        assert!(!Cause::Connect.leaves_outcome_open());
        assert!(!Cause::NotExecuted.leaves_outcome_open());
        assert!(Cause::Broken.leaves_outcome_open());
        assert!(Cause::Client.leaves_outcome_open());
    }
}
