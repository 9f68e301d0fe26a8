//! Bounds that the tests hold the cluster to, and bounds of the tests themselves.

use std::time::Duration;

/// A request without an answer for this long counts as failed.
pub const REQUEST_SECONDS_MAX: u64 = 12;
/// Longest pause between two logins that succeed while one member dies.
pub const GAP_MAX: Duration = Duration::from_secs(3);
/// How long a cluster may take to serve again after a majority is back.
pub const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How long a process that refuses its configuration may take to say so.
pub const REFUSAL_MAX: Duration = Duration::from_secs(15);
/// Accounts that are made at the same time.
pub const ENROL_PARALLEL_MAX: usize = 6;
/// Lines that a node may log in the first seconds without another one.
pub const LOG_LINES_WITHOUT_A_MEMBER_MAX: usize = 30;
/// Pause between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(50);
/// Lines of a source file.
pub const FILE_LINES_MAX: usize = 400;
/// How long an unused code of an authenticator app may be waited for: one step, and a moment.
pub const CODE_PATIENCE: Duration = Duration::from_secs(45);
/// How long a mail may take while nothing is broken, and while something is.
pub const MAIL_PATIENCE: Duration = Duration::from_secs(12);
/// How long the operator's command line may take.
pub const CTL_MAX: Duration = Duration::from_secs(20);
/// After everything is mended: a leader is there.
pub const LEADER_AFTER_MAX: Duration = Duration::from_secs(3);
/// After everything is mended: a write is acknowledged.
pub const WRITE_AFTER_MAX: Duration = Duration::from_secs(5);
/// After everything is mended and the last client is gone: every member is ready and has applied everything, and no change of the membership is open.
pub const SETTLED_AFTER_MAX: Duration = Duration::from_secs(30);
