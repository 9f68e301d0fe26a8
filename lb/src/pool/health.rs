//! What one node's probes and answers say about it. Pure: events and the time go in, a standing comes out.
//!
//! It must not probe, log or wait.

use crate::limits::{EJECTION_ERRORS_MIN, EJECTION_MS, EJECTION_MS_MAX, PROBE_FAILURES_MAX, PROBE_SILENCES_MAX};

/// What a probe's answer says that matters for routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The node takes requests.
    pub ready: bool,
    /// The node is about to stop.
    pub draining: bool,
    /// Changes each time the process starts.
    pub incarnation: String,
}

/// How a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFailure {
    /// Nobody listens at the address.
    Refused,
    /// Somebody answers, but not as the node should: TLS, certificate, HTTP or name.
    Broken,
    /// No answer in time: busy, cut off or dead, or the fault is ours.
    Silent,
}

/// Whether the node can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Not probed yet.
    #[default]
    Unknown,
    /// The last probe was answered, or too few have failed since.
    Up,
    /// Leaves probes unanswered.
    Suspect,
    /// Is not there.
    Down,
}

impl Reach {
    /// Whether it was heard lately.
    pub fn is_reachable(self) -> bool {
        match self {
            Self::Up | Self::Suspect => true,
            Self::Unknown | Self::Down => false,
        }
    }
}

/// How a node may be used at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// May be sent requests.
    pub ready: bool,
    /// May be sent requests when no node is ready.
    pub suspect: bool,
    /// Is set aside while others can do the work.
    pub ejected: bool,
}

/// The history of one node, as far as it matters.
#[derive(Debug, Default)]
pub struct Health {
    reach: Reach,
    failures: u32,
    report: Option<Report>,
    errors: u32,
    ejected_until_ms: u64,
    ejections: u32,
}

impl Health {
    /// A probe was answered.
    pub fn probe_answered(&mut self, report: Report) {
        let restarted = self
            .report
            .as_ref()
            .is_none_or(|last| last.incarnation != report.incarnation);
        if restarted || self.reach == Reach::Down {
            self.errors = 0;
            self.ejected_until_ms = 0;
            self.ejections = 0;
        }
        self.failures = 0;
        self.reach = Reach::Up;
        self.report = Some(report);
    }

    /// A probe failed. `answered_since` tells that the node answered some request since the probe before this one,
    /// which outweighs silence.
    pub fn probe_failed(&mut self, failure: ProbeFailure, answered_since: bool) {
        match failure {
            ProbeFailure::Refused => self.refused(),
            ProbeFailure::Silent if answered_since => {}
            ProbeFailure::Silent => {
                self.failures = self.failures.saturating_add(1);
                let was_usable = matches!(self.reach, Reach::Up | Reach::Suspect);
                if self.failures >= PROBE_SILENCES_MAX || !was_usable {
                    self.reach = Reach::Down;
                } else if self.failures >= PROBE_FAILURES_MAX {
                    self.reach = Reach::Suspect;
                }
            }
            ProbeFailure::Broken => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= PROBE_FAILURES_MAX || self.reach == Reach::Unknown {
                    self.reach = Reach::Down;
                }
            }
        }
    }

    /// A connection was refused, by a probe or by a client's request: nothing is left to be doubted.
    pub fn refused(&mut self) {
        self.failures = self.failures.max(PROBE_FAILURES_MAX);
        self.reach = Reach::Down;
    }

    /// A request failed on the way to the node, at it or on the way back. True when that sets the node aside, which it
    /// does only when `may_eject`: when enough others are left.
    pub fn request_failed(&mut self, now_ms: u64, may_eject: bool) -> bool {
        self.errors = self.errors.saturating_add(1);
        if self.errors < EJECTION_ERRORS_MIN || now_ms < self.ejected_until_ms || !may_eject {
            return false;
        }
        self.errors = 0;
        self.ejections = self.ejections.saturating_add(1);
        let aside_ms = EJECTION_MS
            .saturating_mul(u64::from(self.ejections))
            .min(EJECTION_MS_MAX);
        self.ejected_until_ms = now_ms.saturating_add(aside_ms);
        true
    }

    /// A request was answered properly.
    pub fn request_answered(&mut self) {
        self.errors = 0;
    }

    /// Whether the node can be reached.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How the node may be used now.
    pub fn standing(&self, now_ms: u64) -> Standing {
        let willing = self
            .report
            .as_ref()
            .is_some_and(|report| report.ready && !report.draining);
        Standing {
            ready: willing && self.reach == Reach::Up,
            suspect: willing && self.reach == Reach::Suspect,
            ejected: now_ms < self.ejected_until_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(incarnation: &str) -> Report {
        Report {
            ready: true,
            draining: false,
            incarnation: incarnation.into(),
        }
    }

    fn up() -> Health {
        let mut health = Health::default();
        health.probe_answered(report("a"));
        health
    }

    #[test]
    fn a_node_is_not_used_before_its_first_answer() {
        assert!(!Health::default().standing(0).ready);
        assert!(up().standing(0).ready);
    }

    #[test]
    fn a_draining_or_unready_node_is_not_used() {
        let mut health = up();
        health.probe_answered(Report {
            draining: true,
            ..report("a")
        });
        assert!(!health.standing(0).ready);
        health.probe_answered(Report {
            ready: false,
            ..report("a")
        });
        assert!(!health.standing(0).ready);
    }

    #[test]
    fn a_refused_connection_takes_the_node_out_at_once_and_one_answer_brings_it_back() {
        let mut health = up();
        health.refused();
        assert_eq!((health.standing(0).ready, health.standing(0).suspect), (false, false));
        health.probe_answered(report("b"));
        assert!(health.standing(0).ready);
    }

    #[test]
    fn the_second_silence_makes_a_suspect_and_lasting_silence_takes_it_out() {
        let mut health = up();
        health.probe_failed(ProbeFailure::Silent, false);
        assert!(health.standing(0).ready);
        health.probe_failed(ProbeFailure::Silent, false);
        assert_eq!((health.standing(0).ready, health.standing(0).suspect), (false, true));
        for _ in 2..PROBE_SILENCES_MAX {
            health.probe_failed(ProbeFailure::Silent, false);
        }
        assert_eq!(health.reach(), Reach::Down);
        health.probe_failed(ProbeFailure::Silent, false);
        assert!(!health.standing(0).suspect);
    }

    #[test]
    fn silence_of_a_node_that_answers_requests_is_ignored() {
        let mut health = up();
        for _ in 0..100 {
            health.probe_failed(ProbeFailure::Silent, true);
        }
        assert!(health.standing(0).ready);
    }

    #[test]
    fn two_broken_probes_take_the_node_out() {
        let mut health = up();
        health.probe_failed(ProbeFailure::Broken, true);
        assert!(health.standing(0).ready);
        health.probe_failed(ProbeFailure::Broken, true);
        assert_eq!(health.reach(), Reach::Down);
    }

    #[test]
    fn errors_in_a_row_eject_for_longer_each_time_and_a_restart_forgives() {
        let mut health = up();
        let eject = |health: &mut Health, now_ms| (0..EJECTION_ERRORS_MIN).any(|_| health.request_failed(now_ms, true));
        assert!(eject(&mut health, 0));
        assert!(health.standing(EJECTION_MS - 1).ejected);
        assert!(!health.standing(EJECTION_MS).ejected);
        assert!(eject(&mut health, EJECTION_MS));
        assert!(health.standing(EJECTION_MS * 3 - 1).ejected);
        health.probe_answered(report("b"));
        assert!(!health.standing(EJECTION_MS).ejected);
    }

    #[test]
    fn a_node_that_must_stay_is_set_aside_as_soon_as_it_may_go() {
        let mut health = up();
        assert!((0..100).all(|_| !health.request_failed(0, false)));
        assert!(!health.standing(0).ejected);
        assert!(health.request_failed(0, true));
    }

    #[test]
    fn an_answer_between_errors_prevents_ejection() {
        let mut health = up();
        for _ in 0..100 {
            assert!(!health.request_failed(0, true));
            health.request_answered();
        }
    }
}
