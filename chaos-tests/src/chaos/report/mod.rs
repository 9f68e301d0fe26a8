//! What a run shows, for people and for programs.

mod availability;
mod html;
mod json;
mod timeline;

pub use availability::{Row as AvailabilityRow, markdown as availability_table, rows as availability_rows};
pub use html::page;
pub use json::{RunReport, of_run};

/// The command that makes the same plan again.
#[must_use]
pub fn command(run: &RunReport) -> String {
    let patience = match run.patience {
        0 | 1 => String::new(),
        more => format!(" --patience {more}"),
    };
    format!(
        "infra/dev chaos --scenario {} --seconds {} --seed {} --nodes {}{patience}",
        run.scenario, run.seconds, run.seed, run.nodes
    )
}
