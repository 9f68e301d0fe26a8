//! The figures as a table for people.

use std::fmt::Write as _;

use super::{Figures, IDLE_CONNECTIONS, NAMES, PEERS, Row};

/// Tables in Markdown: medians, and in parentheses the least and the greatest round.
#[must_use]
pub fn markdown(figures: &Figures) -> String {
    let mut text = format!(
        "{} rounds of {} s for each job and program, interleaved; each proxy on one core, generator and backend on another.\n",
        figures.rounds, figures.seconds
    );
    for version in &figures.versions {
        let _ = write!(text, "\n    {version}");
    }
    text.push('\n');
    for (job, rows) in &figures.jobs {
        let _ = write!(
            text,
            "\n### {}\n\n| | requests per processor second | against the better peer | processor seconds per 100,000 | requests per second | failed |\n|---|---|---|---|---|---|\n",
            job.title()
        );
        let best = rows
            .iter()
            .skip(PEERS.start)
            .take(PEERS.len())
            .map(|row| row.per_cpu_second.median())
            .fold(0.0, f64::max);
        for (name, row) in NAMES.into_iter().zip(rows) {
            let _ = writeln!(text, "{}", line(name, row, best));
        }
    }
    let _ = write!(
        text,
        "\n### Memory\n\n| | at start, MiB | with {IDLE_CONNECTIONS} idle TLS connections, MiB | KiB for each |\n|---|---|---|---|\n"
    );
    for (name, (before, after)) in NAMES.into_iter().zip(&figures.memory_kib) {
        let each = after.saturating_sub(*before) / IDLE_CONNECTIONS as u64;
        let _ = writeln!(text, "| {name} | {} | {} | {each} |", before / 1_024, after / 1_024);
    }
    text
}

fn line(name: &str, row: &Row, best: f64) -> String {
    format!(
        "| {name} | {} | {:.2} | {:.2} | {} | {} |",
        row.per_cpu_second.text(),
        row.per_cpu_second.median() / best,
        row.cpu_seconds_per_100k.median(),
        row.per_second.text(),
        row.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::lb::Job;
    use crate::bench::series::Series;

    fn row(value: f64) -> Row {
        Row {
            per_cpu_second: Series { values: vec![value] },
            ..Row::default()
        }
    }

    #[test]
    fn we_are_compared_with_the_better_peer() {
        let figures = Figures {
            rounds: 1,
            seconds: 1,
            versions: vec![],
            jobs: vec![(Job::Http1, vec![row(30.0), row(40.0), row(20.0), row(50.0)])],
            memory_kib: vec![(1_024, 11_264), (0, 0), (0, 0), (0, 0)],
        };
        let text = markdown(&figures);
        assert!(text.contains("| tfauth-lb | 30 (30 to 30) | 0.75 |"), "{text}");
        assert!(text.contains("| HAProxy | 40 (40 to 40) | 1.00 |"), "{text}");
        assert!(text.contains("| pingora alone | 50 (50 to 50) | 1.25 |"), "{text}");
        assert!(text.contains("| tfauth-lb | 1 | 11 | 2 |"), "{text}");
    }
}
