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
    if let Some((few, many)) = &figures.rows {
        text.push_str(&state(few, many));
    }
    text
}

fn state(few: &Rows, many: &Rows) -> String {
    let mut text = String::from(
        "\n| rows of 300 bytes | live MiB | disk, times live | RSS empty / loaded / restarted, MiB | restart after kill -9, ms (of it the check) | restart after a stop, ms | commit p50, us | loaded rows/s |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for rows in [few, many] {
        #[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
        let of_live = ratio(rows.disk_bytes as f64, rows.live_bytes as f64);
        let mib = |kib: u64| kib / 1024;
        let (killed, stopped) = (&rows.after_kill, &rows.after_stop);
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} | {of_live:.2} | {} / {} / {} | {} ({:.0}) | {} | {:.0} | {:.0} |",
            rows.rows,
            mebibytes(rows.live_bytes),
            mib(rows.resident_kib.0),
            mib(rows.resident_kib.1),
            mib(stopped.resident_kib),
            killed.whole_ms.text(),
            killed.check_ms.median(),
            stopped.whole_ms.text(),
            rows.commit_us,
            rows.rows_per_second,
        );
    }
    text
}

fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}

fn latencies(speed: &Speed) -> String {
    format!("{:.0} / {:.0}", speed.p50_us.median(), speed.p99_us.median())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
