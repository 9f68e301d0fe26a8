//! A run as a picture: strikes as bars, served and failed calls of each second as columns, the slowest answer as a line.

use super::json::RunReport;
use std::fmt::Write as _;

const WIDTH: u64 = 1_000;
const ROW: u64 = 16;
const CHART: u64 = 120;
/// The line of latencies ends at the top of the chart here.
const SLOWEST_SHOWN_MS: u64 = 5_000;

/// Inline SVG.
pub(super) fn svg(run: &RunReport) -> String {
    let length_ms = (run.seconds_seen.len() as u64 * 1000).max(1);
    let x = |ms: u64| ms.min(length_ms) * WIDTH / length_ms;
    let mut names: Vec<&str> = run.strikes.iter().map(|strike| strike.nemesis.as_str()).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let bars = names.len() as u64 * ROW;
    let height = bars + CHART + 24;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"timeline of {}\">",
        run.scenario
    );
    for strike in &run.strikes {
        let row = names.iter().position(|name| *name == strike.nemesis).unwrap_or(0) as u64;
        let (from, to) = (x(strike.began_ms), x(strike.ended_ms));
        let class = if strike.took_effect { "hit" } else { "miss" };
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} on {}, {} ms</title></rect>",
            row * ROW + 2,
            (to - from).max(2),
            ROW - 4,
            strike.nemesis,
            strike.victims.join(", "),
            strike.ended_ms - strike.began_ms
        );
    }
    for (row, name) in names.iter().enumerate() {
        let _ = write!(out, "<text x=\"4\" y=\"{}\">{name}</text>", row as u64 * ROW + 12);
    }
    chart(run, bars, &x, &mut out);
    let mended = x(run.mended_ms);
    let _ = write!(
        out,
        "<line class=\"mended\" x1=\"{mended}\" x2=\"{mended}\" y1=\"0\" y2=\"{}\"/><text x=\"{mended}\" y=\"{}\">mended</text></svg>",
        bars + CHART,
        height - 8
    );
    out
}

fn chart(run: &RunReport, top: u64, x: &impl Fn(u64) -> u64, out: &mut String) {
    let most = run
        .seconds_seen
        .iter()
        .map(|second| second.served + second.failed)
        .max()
        .unwrap_or(1)
        .max(1) as u64;
    let mut line = String::new();
    for (at, second) in run.seconds_seen.iter().enumerate() {
        let (left, width) = (x(at as u64 * 1000), (x(1000)).max(1));
        let served = second.served as u64 * CHART / most;
        let failed = (second.failed as u64 * CHART / most).max(u64::from(second.failed > 0) * 2);
        let bottom = top + CHART;
        let _ = write!(
            out,
            "<rect class=\"ok\" x=\"{left}\" y=\"{}\" width=\"{width}\" height=\"{served}\"/>\
             <rect class=\"failed\" x=\"{left}\" y=\"{}\" width=\"{width}\" height=\"{failed}\"><title>second {at}: {} served, {} failed, slowest {} ms</title></rect>",
            bottom - served,
            bottom.saturating_sub(served + failed),
            second.served,
            second.failed,
            second.slowest_ms
        );
        let y = bottom - second.slowest_ms.min(SLOWEST_SHOWN_MS) * CHART / SLOWEST_SHOWN_MS;
        let _ = write!(line, "{},{y} ", left + width / 2);
    }
    let _ = write!(out, "<polyline class=\"slow\" points=\"{line}\"/>");
}
