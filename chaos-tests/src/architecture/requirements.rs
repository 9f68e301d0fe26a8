//! The table in SECURITY.md from requirements to tests: complete, and true.

use super::sources::Source;
use std::collections::{BTreeMap, BTreeSet};

/// Groups of requirements with how many there are of each: passwords, one-time codes, throttling, enumeration, sessions,
/// tokens, refresh tokens, authorization servers, recovery, cryptography, TLS, logs, availability, tenants, supply chain, users.
pub const GROUPS: [(&str, usize); 16] = [
    ("PW", 10),
    ("OTP", 13),
    ("TH", 9),
    ("EN", 4),
    ("SE", 12),
    ("JW", 8),
    ("RT", 3),
    ("OA", 5),
    ("RC", 5),
    ("CR", 5),
    ("TL", 1),
    ("LG", 2),
    ("AV", 2),
    ("MT", 1),
    ("SC", 1),
    ("US", 1),
];
const BEGIN: &str = "<!-- requirements -->";
const END: &str = "<!-- end -->";
/// What a cell says that names no test; the reason follows.
const NOT_YET: &str = "not yet: ";

/// Every id, in the order of the groups.
#[must_use]
pub fn ids() -> Vec<String> {
    let all = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number}")));
    all.collect()
}

/// Rows of the table: id, and the cell of its tests.
#[must_use]
pub fn rows(page: &str) -> BTreeMap<&str, &str> {
    let table = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map_or("", |(table, _)| table);
    let cells = table.lines().map(|line| {
        line.trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
    });
    cells
        .filter(|cells| cells.len() == 3 && !cells[0].starts_with('-') && cells[0].contains('-'))
        .map(|cells| (cells[0], cells[2]))
        .collect()
}

/// What is wrong with the table, one line each.
#[must_use]
pub fn broken(page: &str, sources: &[Source]) -> Vec<String> {
    let rows = rows(page);
    let tests = test_names(sources);
    let mut broken = Vec::new();
    for id in ids() {
        let Some(cell) = rows.get(id.as_str()) else {
            broken.push(format!("{id} has no row"));
            continue;
        };
        let reasoned = cell.starts_with(NOT_YET);
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).filter(|_| !reasoned).collect();
        if named.is_empty() && !reasoned {
            broken.push(format!("{id} names no test and gives no reason"));
        }
        let in_name = id.to_lowercase().replace('-', "_");
        for test in named {
            if !tests.contains(test) {
                broken.push(format!("{id} names {test}, which is no test"));
            } else if !has(test, &in_name) {
                broken.push(format!("{id} names {test}, which does not have it in its name"));
            }
        }
    }
    let known: BTreeSet<String> = ids().into_iter().collect();
    broken.extend(
        rows.keys()
            .filter(|id| !known.contains(**id))
            .map(|id| format!("{id} is no requirement")),
    );
    broken
}

/// Names in the last column of the table between two marks that are no tests, one line each; and how many rows there are.
#[must_use]
pub fn unknown_tests(page: &str, begin: &str, sources: &[Source]) -> (usize, Vec<String>) {
    let table = page.split_once(begin).and_then(|(_, rest)| rest.split_once(END));
    let tests = test_names(sources);
    let lines = table.map_or("", |(table, _)| table).lines();
    let rows: Vec<&str> = lines.filter(|line| line.starts_with("| ")).skip(1).collect();
    let cells = rows
        .iter()
        .filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    let named = cells.flat_map(|cell| {
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if named.is_empty() { vec![cell] } else { named }
    });
    let unknown = named.filter(|name| !tests.contains(name));
    (rows.len(), unknown.map(|name| format!("{name} is no test")).collect())
}

/// Whether the id stands in the name as words of its own: `se_1` is not in `se_12_x`.
fn has(test: &str, id: &str) -> bool {
    format!("_{test}_").contains(&format!("_{id}_"))
}

/// Functions under an attribute that makes them tests, and those inside of proptest's macro, which have one too.
fn test_names(sources: &[Source]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for source in sources {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test = is_test || line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
                if is_test {
                    names.extend(rest.split('(').next());
                }
                is_test = false;
            }
        }
    }
    names
}
