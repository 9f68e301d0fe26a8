//! What a run shows, for people and for programs.

mod availability;
mod html;
mod json;
mod summary;
mod timeline;

pub use availability::{Row as AvailabilityRow, markdown as availability_table, rows as availability_rows};
pub use html::page;
pub use json::{RunReport, of_run};
pub use summary::write_summary;

use std::path::{Path, PathBuf};

/// File of the summary; every other JSON file of a folder is a run.
const SUMMARY: &str = "summary.json";

/// Every run of a folder.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn read_all(folder: &Path) -> Result<Vec<RunReport>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && !path.ends_with(SUMMARY));
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

/// One run.
///
/// # Errors
/// The file cannot be read, or is no run.
pub fn read(path: &Path) -> Result<RunReport, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a file of a report.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The command that makes the same plan again.
#[must_use]
pub fn command(run: &RunReport) -> String {
    let patience = match run.patience {
        0 | 1 => String::new(),
        more => format!(" --patience {more}"),
    };
    let rate = match run.rate_percent {
        100 => String::new(),
        other => format!(" --rate {other}"),
    };
    format!(
        "infra/dev chaos --scenario {} --seconds {} --seed {} --nodes {}{patience}{rate}",
        run.scenario, run.seconds, run.seed, run.nodes
    )
}

#[cfg(test)]
pub(crate) mod testing {
    use super::RunReport;
    use crate::promises::Figures;

    /// A run that held everything, of which nothing is told.
    pub(crate) fn run(scenario: &str, nodes: u16) -> RunReport {
        RunReport {
            scenario: scenario.into(),
            nodes,
            seed: 7,
            seconds: 20,
            patience: 1,
            rate_percent: 100,
            began_unix: 0,
            held: true,
            late: Vec::new(),
            verdicts: Vec::new(),
            workloads: Vec::new(),
            failures: std::collections::BTreeMap::new(),
            digests_compared: 0,
            availability: Figures::default(),
            strikes: Vec::new(),
            seconds_seen: Vec::new(),
            mended_ms: 0,
        }
    }
}
