//! Campaigns that take days: what came of some seeds at a time is one line of a file, and whoever starts again with that file
//! goes on behind its last line.
//!
//! Must not mix seeds of one part with those of another, or leave some out.

use crate::campaign::{Part, Plan, Report, run};
use crate::limits::KEPT_SEEDS;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

/// Runs what the file does not have yet, and adds everything up.
///
/// # Errors
/// The file cannot be read or written, or has figures of other seeds.
pub fn go_on(part: Part, plan: Plan, path: &Path, progress: impl Fn(u64, u64) + Sync) -> Result<Report, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = OpenOptions::new().create(true).read(true).append(true).open(path);
    let mut file = file.map_err(told)?;
    let mut sum = Report::new(part, plan.first_seed);
    for (number, line) in BufReader::new(&file).lines().enumerate() {
        let kept: Report = serde_json::from_str(&line.map_err(told)?)
            .map_err(|error| format!("{}: line {}: {error}", path.display(), number + 1))?;
        if (kept.part, kept.first_seed) != (part, plan.first_seed + sum.seeds) {
            return Err(format!(
                "{}: line {} has the {} from seed {} on, expected is the {} from seed {} on: name another file",
                path.display(),
                number + 1,
                kept.part.name(),
                kept.first_seed,
                part.name(),
                plan.first_seed + sum.seeds
            ));
        }
        sum.take_in(kept);
    }
    while sum.seeds < plan.seeds {
        let (done, failed) = (sum.seeds, sum.failed);
        let some = Plan {
            first_seed: plan.first_seed + done,
            seeds: KEPT_SEEDS.min(plan.seeds - done),
            ..plan
        };
        let report = run(part, some, |now, failed_now| progress(done + now, failed + failed_now));
        let line = serde_json::to_string(&report).map_err(|error| error.to_string())?;
        writeln!(file, "{line}").and_then(|()| file.sync_data()).map_err(told)?;
        sum.take_in(report);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_goes_on_where_it_was_and_takes_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.jsonl");
        let plan = |first_seed, seeds| Plan {
            first_seed,
            seeds,
            twice_every: 2,
            until_failed: false,
        };
        let first = go_on(Part::Rules, plan(4, 2), &path, |_, _| {}).unwrap();
        assert_eq!((first.seeds, first.twice), (2, [1, 1]));
        let both = go_on(Part::Rules, plan(4, 4), &path, |_, _| {}).unwrap();
        let at_once = run(Part::Rules, plan(4, 4), |_, _| {});
        assert_eq!(
            (both.seeds, both.entries, both.calls),
            (4, at_once.entries, at_once.calls)
        );
        assert_eq!((both.faults, both.twice), (at_once.faults, at_once.twice));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        let other = go_on(Part::Rules, plan(5, 4), &path, |_, _| {}).unwrap_err();
        assert!(other.contains("name another file"), "{other}");
    }
}
