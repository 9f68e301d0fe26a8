//! The verdict as it is printed by one process and read by another.
//!
//! Must not change the meaning of a name: scripts read it, too.

use raft_store::verify::{Report, Verdict};
use serde_json::{Value, json};
use std::path::Path;

/// Everything in one object.
pub(super) fn to_json(folder: &Path, verdict: &Verdict) -> Value {
    let (name, reason, report) = match verdict {
        Verdict::Sound(report) => ("ok", Value::Null, report_to_json(report)),
        Verdict::Quarantine(why) => ("quarantine", Value::from(why.as_str()), Value::Null),
        Verdict::Refused(why) => ("refused", Value::from(why.as_str()), Value::Null),
    };
    json!({ "verdict": name, "data": folder.display().to_string(), "reason": reason, "report": report })
}

fn report_to_json(report: &Report) -> Value {
    json!({
        "node_id": report.node_id,
        "cluster_id": report.cluster_id,
        "incarnation": report.incarnation,
        "vote": report.vote,
        "log_first": report.log_first,
        "log_last": report.log_last,
        "log_promised": report.log_promised,
        "log_entries": report.log_entries,
        "tables_entries": report.tables_entries,
        "tables_rows": report.tables_rows,
        "checkpoint_to_finish": report.checkpoint_to_finish,
        "took_ms": report.took_ms,
    })
}

/// What a process printed, if it is a verdict. Only what the caller acts on is read.
pub(super) fn from_json(text: &str) -> Option<Verdict> {
    let value: Value = serde_json::from_str(text.lines().last()?).ok()?;
    let reason = || value.get("reason")?.as_str().map(str::to_owned);
    match value.get("verdict")?.as_str()? {
        "ok" => {
            let report = value.get("report")?;
            let number = |name: &str| report.get(name)?.as_u64();
            Some(Verdict::Sound(Box::new(Report {
                node_id: number("node_id"),
                log_last: number("log_last"),
                log_entries: number("log_entries")?,
                tables_entries: number("tables_entries")?,
                tables_rows: number("tables_rows")?,
                took_ms: number("took_ms")?,
                ..Report::default()
            })))
        }
        "quarantine" => Some(Verdict::Quarantine(reason()?)),
        "refused" => Some(Verdict::Refused(reason()?)),
        _ => None,
    }
}

/// One line for a person.
pub(super) fn to_text(folder: &Path, verdict: &Verdict) -> String {
    let folder = folder.display();
    match verdict {
        Verdict::Sound(report) => match report.node_id {
            None => format!("OK {folder}: new, nobody has used it yet"),
            Some(node) => format!(
                "OK {folder}: node {node}, vote {}, log to entry {} ({} entries), tables of {} entries with {} rows, read in {} ms",
                report.vote.as_deref().unwrap_or("none"),
                report.log_last.map_or("none".to_owned(), |last| last.to_string()),
                report.log_entries,
                report.tables_entries,
                report.tables_rows,
                report.took_ms
            ),
        },
        Verdict::Quarantine(why) => format!("QUARANTINE {folder}: {why}"),
        Verdict::Refused(why) => format!("refused: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_being_printed() {
        let report = Report {
            node_id: Some(3),
            log_last: Some(12),
            log_entries: 7,
            tables_entries: 6,
            tables_rows: 5,
            took_ms: 4,
            ..Report::default()
        };
        for verdict in [
            Verdict::Sound(Box::new(report)),
            Verdict::Quarantine("a \"hole\"".into()),
            Verdict::Refused("full".into()),
        ] {
            let text = format!("noise\n{}\n", to_json(Path::new("/data"), &verdict));
            assert_eq!(from_json(&text), Some(verdict));
        }
        for nonsense in ["", "{}", "OK", r#"{"verdict":"ok"}"#, r#"{"verdict":"fine"}"#] {
            assert_eq!(from_json(nonsense), None, "{nonsense}");
        }
    }
}
