//! One job with one proxy: which generator, and what its output says.

use std::time::Instant;

use tokio::process::Command;

use super::handshakes::Counts;
use super::programs::{OTHER_CORE, Proxy};
use super::{Job, Plan, progress};

/// What came of a job.
pub(super) struct Did {
    /// Requests answered 200.
    pub(super) answered: f64,
    /// All other requests.
    pub(super) failed: u64,
    /// How long it took.
    pub(super) seconds: f64,
    /// Processor time of the proxy.
    pub(super) cpu_seconds: f64,
}

/// The kernel counts processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) async fn run(plan: &Plan, job: Job, proxy: &Proxy, seconds: u64) -> Result<Did, String> {
    let arguments = generator(plan, job, proxy, seconds);
    let before = proxy.program.ticks();
    let begun = Instant::now();
    let output = Command::new("taskset")
        .args(["-c", &OTHER_CORE.to_string()])
        .args(&arguments)
        .output()
        .await
        .map_err(|error| format!("cannot start {}: {error}", arguments.join(" ")))?;
    let seconds = begun.elapsed().as_secs_f64();
    let ticks = proxy.program.ticks().saturating_sub(before).max(1);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let counted = match job {
        Job::Http2 => from_h2load(&text),
        Job::Http1 => from_wrk(&text),
        Job::Handshakes => from_own(&text),
    };
    let (answered, failed) = counted.ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        format!("{} printed no figures: {text}{errors}", arguments.join(" "))
    })?;
    if answered == 0 {
        return Err(format!("{} got no answer: {text}", arguments.join(" ")));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    Ok(Did {
        answered: answered as f64,
        failed,
        seconds,
        cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
    })
}

/// The program that makes the load, with its arguments.
fn generator(plan: &Plan, job: Job, proxy: &Proxy, seconds: u64) -> Vec<String> {
    let url = proxy.url();
    match job {
        Job::Http1 => vec!["wrk".into(), "-t1".into(), "-c32".into(), format!("-d{seconds}s"), url],
        Job::Http2 => ["h2load", "-c16", "-m10", "-D"]
            .map(String::from)
            .into_iter()
            .chain([seconds.to_string(), url])
            .collect(),
        Job::Handshakes => vec![
            plan.program.to_string_lossy().into_owned(),
            "lb-handshakes".into(),
            format!("--ca={}", plan.work.join("ca.pem").display()),
            format!("--port={}", proxy.port),
            format!("--seconds={seconds}"),
        ],
    }
}

/// The counts of our own generator, as JSON.
fn from_own(text: &str) -> Option<(u64, u64)> {
    let counts: Counts = serde_json::from_str(text).ok()?;
    if let Some(why) = counts.first_failure {
        progress(&format!(
            "{} of the new connections failed, the first one: {why}",
            counts.failed
        ));
    }
    Some((counts.answered, counts.failed))
}

/// `  58216 requests in 6.04s, 10.60MB read`, and complaints on lines of their own.
fn from_wrk(text: &str) -> Option<(u64, u64)> {
    let total: u64 = text.lines().find_map(|line| {
        let (number, rest) = line.trim().split_once(' ')?;
        rest.starts_with("requests in").then(|| number.parse().ok())?
    })?;
    let bad = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses:"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0);
    // connect 0, read 3, write 0, timeout 0
    let socket: u64 = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Socket errors:"))
        .map_or(0, |line| {
            line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum()
        });
    Some((total.saturating_sub(bad), bad + socket))
}

/// `requests: 60000 total, 60000 started, 60000 done, 60000 succeeded, 0 failed, 0 errored, 0 timeout`
fn from_h2load(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("requests:"))?;
    let of = |what: &str| -> Option<u64> {
        line.split(',')
            .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
    };
    Some((of("succeeded")?, of("failed")? + of("timeout")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_wrk_are_read() {
        let text = "Running 5s test\n  58216 requests in 6.04s, 10.60MB read\n  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 16\nRequests/sec: 9637\n";
        assert_eq!(from_wrk(text), Some((58_200, 20)));
        assert_eq!(from_wrk("nothing"), None);
    }

    #[test]
    fn counts_of_our_own_are_read() {
        let counts = Counts {
            answered: 7,
            failed: 2,
            first_failure: Some("no answer".into()),
        };
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(from_own(&text), Some((7, 2)));
        assert_eq!(from_own(""), None);
    }

    #[test]
    fn counts_of_h2load_are_read() {
        let text = "finished in 2.31s\nrequests: 60000 total, 60000 started, 60000 done, 59990 succeeded, 10 failed, 10 errored, 0 timeout\n";
        assert_eq!(from_h2load(text), Some((59_990, 10)));
        assert_eq!(from_h2load(""), None);
    }
}
