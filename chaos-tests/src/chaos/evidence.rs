//! Everything that a run leaves behind for the promises to be checked by. Values only.

use super::recorder::Call;
use auth_api::cluster::ClusterView;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One strike of a nemesis.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Which nemesis.
    pub nemesis: String,
    /// Whom it hit.
    pub victims: Vec<String>,
    /// When it began, in microseconds since the beginning of the run.
    pub began_us: u64,
    /// When everything was mended.
    pub ended_us: u64,
    /// Whether it is proven to have hit.
    pub took_effect: bool,
    /// Whether it could not be made in time.
    pub late: bool,
    /// More.
    pub note: String,
}

/// What an audit row says, as far as a check needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// What was asked for.
    pub verb: String,
    /// What came of it.
    pub outcome: String,
    /// The account.
    pub account: String,
    /// The session that asked, or that was started.
    pub session: String,
}

/// What the cluster says of itself at the end.
#[derive(Clone, Debug, Default)]
pub struct Aftermath {
    /// Time from the end of mending to a leader.
    pub leader_after: Option<Duration>,
    /// Time from the last client until every member was ready, had applied everything, and no change was open.
    pub settled_after: Option<Duration>,
    /// What was not settled, if it was not in time.
    pub unsettled: String,
    /// The membership.
    pub view: Option<ClusterView>,
    /// Number of rows and hash of the audit, as each node exports it.
    pub audits: BTreeMap<String, (usize, String)>,
    /// The audit, the oldest row first.
    pub rows: Vec<AuditRow>,
    /// Times that tables were compared by their digests and were equal, and that they were not, on all nodes.
    pub digests: (u64, u64),
    /// Names that have an account, of those that were asked for.
    pub names_found: BTreeSet<String>,
    /// Names that have none, of those that were asked for.
    pub names_missing: BTreeSet<String>,
    /// Members that ended by themselves while nothing was done to them.
    pub ended_by_themselves: Vec<String>,
    /// What could not be found out, and why.
    pub unasked: Vec<String>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every call of every client, in the order of leaving.
    pub calls: Vec<Call>,
    /// Every strike, in order.
    pub events: Vec<Event>,
    /// Names of the nemeses that should strike.
    pub nemeses: Vec<String>,
    /// Names of the workloads.
    pub workloads: Vec<String>,
    /// When clients began to arrive.
    pub began_us: u64,
    /// When the last strike was mended.
    pub mended_us: u64,
    /// When the last client arrived.
    pub ended_us: u64,
    /// What the cluster says at the end.
    pub aftermath: Aftermath,
    /// A clock was moved: what depends on windows of time may be refused.
    pub clocks_moved: bool,
    /// Longest time without a success that the scenario allows; none where the whole service may be gone.
    pub gap_max: Option<Duration>,
    /// Bounds of time are so many times as wide: for machines that are busy with other things.
    pub patience: u32,
    /// Clients arrived at so many hundredths of the usual rates.
    pub rate_percent: u32,
}

impl Evidence {
    /// Calls of one workload.
    pub fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.workload == workload)
    }
}
