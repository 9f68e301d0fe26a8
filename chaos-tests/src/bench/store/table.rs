//! Figures as tables for people. Ratios first: absolute figures are of the machine.

use super::{Figures, Rows, Speed};
use std::fmt::Write as _;

/// All figures.
#[must_use]
pub fn markdown(figures: &Figures) -> String {
    let mut text = String::from(
        "Entries of 256 bytes. Median of the rounds (least to greatest). Latencies in microseconds.\n\n\
         | writers | raw log, entries/s | store's log, entries/s | of raw | raw p50 / p99 | store's log p50 / p99 | one member, whole proposals/s | of raw | p50 / p99 |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let rows = figures.raw.iter().zip(&figures.log_path).zip(&figures.propose);
    for ((raw, log), propose) in rows {
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{:.2}** | {} | {} | {} | {:.2} | {} |",
            raw.writers,
            raw.per_second.text(),
            log.per_second.text(),
            ratio(log.per_second.median(), raw.per_second.median()),
            latencies(raw),
            latencies(log),
            propose.per_second.text(),
            ratio(propose.per_second.median(), raw.per_second.median()),
            latencies(propose),
        );
    }
    let commit = &figures.commit;
    let limit = commit.round_trip_us.median() + commit.sync_us.median();
    let _ = writeln!(
        text,
        "\nOne client of three members: p50 {} us, p99 {} us; a loopback round trip ({} us) and an fdatasync ({} us) of the same run are {limit:.0} us: **{:.2}** times that.",
        commit.p50_us.text(),
        commit.p99_us.text(),
        commit.round_trip_us.text(),
        commit.sync_us.text(),
        ratio(commit.p50_us.median(), limit),
    );
    if let Some(rows) = &figures.rows {
        text.push_str(&state(rows));
    }
    text
}

fn state(rows: &Rows) -> String {
    #[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
    let of = |part: u64, whole: u64| ratio(part as f64, whole as f64);
    let mib = |kib: u64| kib / 1024;
    format!(
        "\n{} rows of 300 bytes ({} MiB): loaded at {:.0} rows/s; on disk {} MiB, **{:.2}** times the live bytes; memory {} MiB before, {} MiB after loading.\n\
         Restart until a read is answered: **{} ms** after kill -9, {} ms after an orderly stop ({} ms with 1,000 rows); memory then {} MiB ({} MiB with 1,000 rows).\n",
        rows.rows,
        rows.live_bytes >> 20,
        rows.rows_per_second,
        rows.disk_bytes >> 20,
        of(rows.disk_bytes, rows.live_bytes),
        mib(rows.resident_kib.0),
        mib(rows.resident_kib.1),
        rows.restart_after_kill_ms,
        rows.restart_ms,
        rows.small_restart_ms,
        mib(rows.restarted_resident_kib),
        mib(rows.small_resident_kib),
    )
}

fn latencies(speed: &Speed) -> String {
    format!("{:.0} / {:.0}", speed.p50_us.median(), speed.p99_us.median())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
