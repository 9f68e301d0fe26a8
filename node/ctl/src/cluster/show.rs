//! The members as a table, or as JSON.

use super::Problem;
use auth_api::cluster::{ClusterView, MemberView};
use std::fmt::Write;

pub(super) fn render(view: &ClusterView, json: bool) -> Result<String, Problem> {
    if json {
        return serde_json::to_string(view).map_err(|error| Problem::Fault(error.to_string()));
    }
    let mut text = format!(
        "cluster {}, version {}{}\n{:>6}  {:<14} {:<8} {:<22} {:>8} {:>8} {:>9}  NOTE",
        view.cluster_id,
        view.cluster_version,
        if view.changing {
            ", a change of the voters is under way"
        } else {
            ""
        },
        "ID",
        "NAME",
        "PART",
        "ADDRESS",
        "BEHIND",
        "SPEAKS",
        "CLOCK"
    );
    for member in &view.members {
        text.push('\n');
        text.push_str(&line(view, member));
    }
    Ok(text)
}

fn line(view: &ClusterView, member: &MemberView) -> String {
    let leads = member.id == view.leader_id;
    let behind = match (leads, member.matched) {
        (true, _) => "0".to_owned(),
        (false, Some(matched)) => view.last_log.saturating_sub(matched).to_string(),
        (false, None) => "?".to_owned(),
    };
    let speaks = member
        .versions
        .map_or("?".to_owned(), |(min, max)| format!("{min}-{max}"));
    let clock = member.clock_ahead_ms.map_or(String::new(), |ms| format!("{ms:+} ms"));
    let mut text = format!(
        "{:>6}  {:<14} {:<8} {:<22} {behind:>8} {speaks:>8} {clock:>9}  ",
        member.id, member.name, member.part, member.address
    );
    if leads {
        text.push_str("leads");
    }
    if let Some(old) = member.replaces {
        // Writing to a String cannot fail.
        let _ = write!(text, "takes the place of {old}");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, replaces: Option<u64>) -> MemberView {
        MemberView {
            id,
            name: format!("node-{id}"),
            address: "10.0.0.1:7201".into(),
            incarnation: "00".into(),
            part: "voter".into(),
            replaces,
            matched: Some(90),
            versions: Some((1, 2)),
            clock_ahead_ms: Some(-3),
        }
    }

    #[test]
    fn the_table_tells_who_leads_who_lags_and_who_replaces_whom() {
        let view = ClusterView {
            cluster_id: "aa".into(),
            cluster_version: 1,
            leader_id: 1,
            last_log: 100,
            changing: true,
            members: vec![member(1, None), member(1042, Some(3))],
        };
        let text = render(&view, false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("under way"), "{text}");
        assert!(lines[2].ends_with("leads") && lines[2].contains("-3 ms"), "{text}");
        assert!(
            lines[3].ends_with("takes the place of 3") && lines[3].contains(" 10 "),
            "{text}"
        );
        assert!(render(&view, true).unwrap().contains("\"leader_id\":1"));
    }
}
