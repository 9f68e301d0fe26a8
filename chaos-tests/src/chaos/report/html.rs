//! All runs on one page that needs nothing else: no script, no font, no picture from elsewhere.

use super::availability;
use super::command;
use super::json::RunReport;
use super::timeline;
use std::fmt::Write as _;

pub(super) const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}\
table{border-collapse:collapse;margin:1rem 0;width:100%}td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{background:#f2f2f2;padding:.1rem .3rem;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;background:#f2f2f2;padding:.5rem;font-size:12px}svg{width:100%;background:#fafafa;border:1px solid #ddd}\
svg text{font-size:10px}.held{color:#06632a}.broken{color:#a30000;font-weight:600}.ok{fill:#9bc7a4}.failed{fill:#c00}.hit{fill:#d9822b}\
.miss{fill:#bbb}.slow{fill:none;stroke:#225;stroke-width:1}.mended{stroke:#225;stroke-dasharray:3}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}code,pre{background:#262626}svg{background:#202020;border-color:#444}svg text{fill:#ddd}.held{color:#6fcf8e}.broken{color:#ff8080}.slow,.mended{stroke:#9ab}td,th{border-color:#444}}";

/// The page.
#[must_use]
pub fn page(runs: &[RunReport], title: &str) -> String {
    let held = runs.iter().filter(|run| run.is_green()).count();
    let late = runs.iter().filter(|run| run.held && !run.is_green()).count();
    let seconds: u64 = runs.iter().map(|run| run.mended_ms / 1000).sum();
    let calls: usize = runs.iter().map(|run| run.availability.requests).sum();
    let strikes: usize = runs
        .iter()
        .map(|run| run.strikes.iter().filter(|strike| strike.took_effect).count())
        .sum();
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>{} runs, {held} of them with every promise held, {late} more in which a strike could not be made in time; {} minutes under faults, {calls} calls, {strikes} strikes that took effect.</p>",
        runs.len(),
        seconds / 60
    );
    overview(runs, &mut out);
    let _ = write!(
        out,
        "<h2>What users noticed, by fault</h2>{}",
        availability::html(&availability::rows(runs))
    );
    for (number, run) in runs.iter().enumerate() {
        one(number, run, &mut out);
    }
    out.push_str("</html>\n");
    out
}

fn overview(runs: &[RunReport], out: &mut String) {
    out.push_str("<table><tr><th>scenario<th class=n>nodes<th class=n>seed<th class=n>seconds<th class=n>calls<th class=n>failed<th class=n>longest gap, ms<th>promises");
    for (number, run) in runs.iter().enumerate() {
        let broken: Vec<&str> = run
            .verdicts
            .iter()
            .filter(|v| !v.held)
            .map(|v| v.promise.as_str())
            .collect();
        let verdict = match (broken.is_empty(), run.is_green()) {
            (true, true) => "<span class=held>all held</span>".to_owned(),
            (true, false) => format!("all held; not in time: {}", escape(&run.late.join("; "))),
            (false, _) => format!("<span class=broken>BROKEN: {}</span>", escape(&broken.join("; "))),
        };
        let seen = run.availability;
        let _ = write!(
            out,
            "<tr><td><a href=\"#run-{number}\">{}</a><td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{verdict}",
            run.scenario, run.nodes, run.seed, run.seconds, seen.requests, seen.failed, seen.longest_gap_ms
        );
    }
    out.push_str("</table>");
}

fn one(number: usize, run: &RunReport, out: &mut String) {
    let _ = write!(
        out,
        "<h2 id=\"run-{number}\">{}, {} nodes, seed {}</h2><p>Repeat the plan: <code>{}</code></p>{}",
        run.scenario,
        run.nodes,
        run.seed,
        escape(&command(run)),
        timeline::svg(run)
    );
    out.push_str("<table><tr><th>promise<th>verdict<th class=n>cases<th>detail");
    for verdict in &run.verdicts {
        let (class, word) = if verdict.held {
            ("held", "held")
        } else {
            ("broken", "BROKEN")
        };
        let _ = write!(
            out,
            "<tr><td>{}<td class={class}>{word}<td class=n>{}<td><pre>{}</pre>",
            escape(&verdict.promise),
            verdict.cases,
            escape(&verdict.detail)
        );
    }
    out.push_str("</table><details><summary>Calls and strikes</summary><table><tr><th>workload<th class=n>ok<th class=n>denied<th class=n>not served<th class=n>unknown");
    for workload in &run.workloads {
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}",
            workload.name, workload.ok, workload.denied, workload.unserved, workload.unknown
        );
    }
    out.push_str("</table><table><tr><th>strike<th>on<th class=n>at, ms<th class=n>for, ms<th class=n>failed<th class=n>longest gap, ms<th>effect");
    for strike in &run.strikes {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{} {}",
            strike.nemesis,
            strike.victims.join(", "),
            strike.began_ms,
            strike.ended_ms - strike.began_ms,
            strike.seen.failed,
            strike.seen.longest_gap_ms,
            if strike.took_effect { "yes" } else { "NO" },
            escape(&strike.note)
        );
    }
    out.push_str("</table><table><tr><th>not served<th class=n>calls");
    for (seen, count) in &run.failures {
        let _ = write!(out, "<tr><td>{}<td class=n>{count}", escape(seen));
    }
    out.push_str("</table></details>");
}

/// Text as it stands in a page.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use crate::promises::Verdict;

    #[test]
    fn a_broken_promise_and_its_command_are_on_the_page() {
        let run = RunReport {
            patience: 2,
            held: false,
            verdicts: vec![Verdict {
                promise: "nothing is lost".into(),
                held: false,
                cases: 4,
                detail: "<kept-1> is gone".into(),
            }],
            failures: [("user-info: 503".to_owned(), 3)].into(),
            mended_ms: 61_000,
            ..run("kill-all", 3)
        };
        let page = page(&[run], "Chaos");
        for part in [
            "1 runs, 0 of them",
            "1 minutes",
            "BROKEN: nothing is lost",
            "&lt;kept-1&gt; is gone",
            "infra/dev chaos --scenario kill-all --seconds 20 --seed 7 --nodes 3 --patience 2",
            "<svg",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(
            !page.contains("<script") && !page.contains("http"),
            "it needs nothing else"
        );
    }
}
