//! Follows the chain of a file, line by line: memory does not grow with the file.

use crate::cluster::Problem;
use auth_api::audit_export::{Broken, Follower};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

pub(super) fn run(path: &Path, head: Option<&str>, json: bool) -> Result<String, Problem> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| Problem::Fault(format!("{shown}: {error}")))?;
    let mut follower = Follower::default();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| Problem::Fault(format!("{shown}: {error}")))?;
        follower.follow(&line).map_err(|broken| {
            let what = match broken {
                Broken::Malformed => "is no exported audit row",
                Broken::Changed => "is not what its link was made from: it was changed",
                Broken::NotFollowing => "does not follow the line before it: rows are missing, swapped or added",
            };
            Problem::Fault(format!("{shown}: line {} {what}", at + 1))
        })?;
    }
    let (number, link) = follower.head().unwrap_or((0, ""));
    if let Some(wanted) = head.filter(|wanted| *wanted != link) {
        return Err(Problem::Fault(format!(
            "{shown}: the last row has the link {link}, not {wanted}: rows are missing at the end"
        )));
    }
    let rows = follower.rows();
    if rows == 0 {
        return Err(Problem::Refused(format!(
            "{shown}: there is nothing to check, the file has no row; name a file that `tfauth audit export` wrote"
        )));
    }
    Ok(if json {
        serde_json::json!({"rows": rows, "last_number": number, "head": link}).to_string()
    } else {
        format!("{rows} rows, the chain holds; head {link}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_api::audit_export::{CHAIN_START, Line};
    use std::fmt::Write as _;

    /// A file of so many good rows, and the last link.
    fn exported(rows: u64) -> (tempfile::NamedTempFile, String) {
        let (mut text, mut previous) = (String::new(), CHAIN_START.to_owned());
        for number in 1..=rows {
            let mut line = Line {
                index: number,
                number,
                previous: previous.clone(),
                ..Line::default()
            };
            line.link = line.computed_link().unwrap();
            previous.clone_from(&line.link);
            writeln!(text, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        (file, previous)
    }

    #[test]
    fn lg_2_a_file_is_checked_without_the_cluster() {
        let (file, head) = exported(4);
        assert!(
            run(file.path(), None, false)
                .unwrap()
                .contains("4 rows, the chain holds")
        );
        let json: serde_json::Value = serde_json::from_str(&run(file.path(), Some(&head), true).unwrap()).unwrap();
        assert_eq!((&json["rows"], &json["last_number"]), (&4.into(), &4.into()));
        let text = std::fs::read_to_string(file.path()).unwrap();
        // Cut off at the end: only who knows the head can tell.
        let cut: String = text.lines().take(3).flat_map(|line| [line, "\n"]).collect();
        std::fs::write(file.path(), cut).unwrap();
        assert!(run(file.path(), None, false).is_ok());
        assert!(run(file.path(), Some(&head), false).is_err());
        // One flipped byte (LG-2).
        std::fs::write(file.path(), text.replacen("\"index\":2", "\"index\":7", 1)).unwrap();
        let told = run(file.path(), None, false).unwrap_err().to_string();
        assert!(told.contains("line 2"), "{told}");
        assert!(run(Path::new("/nowhere"), None, false).is_err());
    }

    #[test]
    fn lg_2_a_file_without_a_row_holds_nothing() {
        let (file, _) = exported(0);
        for json in [false, true] {
            let told = run(file.path(), None, json).unwrap_err();
            assert!(
                matches!(&told, Problem::Refused(why) if why.contains("nothing to check")),
                "{told}"
            );
        }
        // Whoever knows the head knows that rows are missing.
        let (_, head) = exported(2);
        let told = run(file.path(), Some(&head), false).unwrap_err();
        assert!(
            matches!(&told, Problem::Fault(why) if why.contains("rows are missing")),
            "{told}"
        );
    }
}
