//! Rules about the text of source files: who may name what, how long a file may be, which words may not stay.

use crate::limits::FILE_LINES_MAX;
use std::path::Path;

/// A source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the top of the project, with slashes.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// A rule: `None`, or what in the file breaks it.
pub type Rule = fn(&Source) -> Option<String>;

/// Every rule about one file.
pub const RULES: [Rule; 9] = [
    clock_of_node,
    core_is_pure,
    dangers,
    doors,
    ignored_tests,
    length,
    opening,
    randomness,
    unfinished,
];

/// Every Rust file of the project.
///
/// # Errors
/// Something cannot be read.
pub fn all() -> Result<Vec<Source>, String> {
    let top = super::project();
    let mut sources = Vec::new();
    for folder in ["chaos-tests", "infra", "lb", "node", "raft-store"] {
        for path in crate::canary::files_below(&top.join(folder))? {
            if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                sources.push(Source {
                    path: relative(&top, &path),
                    text,
                });
            }
        }
    }
    Ok(sources)
}

/// What breaks the rules, one line each with its file.
#[must_use]
pub fn broken(sources: &[Source]) -> Vec<String> {
    let apply = |source: &Source| RULES.iter().filter_map(|rule| rule(source)).collect::<Vec<_>>();
    sources
        .iter()
        .flat_map(|s| apply(s).into_iter().map(|what| format!("{}: {what}", s.path)))
        .collect()
}

fn relative(top: &Path, path: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).to_string_lossy().into_owned()
}

/// Style: the node reads the clock in one file, so that time can be an argument everywhere else.
pub fn clock_of_node(source: &Source) -> Option<String> {
    let in_node = source.path.starts_with("node/src/") && source.path != "node/src/clock.rs";
    if !in_node {
        return None;
    }
    // tokio's clock can be stopped by a test, the system's cannot.
    let tokios = source.text.contains("use tokio::time::") && source.text.contains("Instant");
    let (line, _) = code(&source.text).find(|(_, text)| {
        let system = names(text, "SystemTime::now");
        let monotonic = names(text, "Instant::now") && !tokios && !text.contains("tokio::time::Instant::now");
        system || monotonic
    })?;
    Some(format!("line {line} reads the clock: use node/src/clock.rs"))
}

/// Invariant 1: the rules do no I/O, read no clock, draw no randomness.
pub fn core_is_pure(source: &Source) -> Option<String> {
    const NEVER: [&str; 12] = [
        "tokio::",
        "hyper::",
        "sled::",
        "openraft::",
        "rand::",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "std::time::SystemTime",
        "std::time::Instant",
    ];
    if !source.path.starts_with("node/core/src/") {
        return None;
    }
    let (line, what) =
        code(&source.text).find_map(|(line, text)| Some((line, NEVER.iter().find(|n| names(text, n))?)))?;
    Some(format!(
        "line {line} names {what}: auth-core does no I/O, reads no clock, draws no randomness"
    ))
}

/// Third parties stay behind one door.
pub fn doors(source: &Source) -> Option<String> {
    const DOORS: [(&str, &str); 4] = [
        ("sled::", "raft-store/"),
        ("openraft::", "raft-store/"),
        ("pingora::", "lb/"),
        ("lettre::", "node/src/email/"),
    ];
    let (line, (what, door)) = code(&source.text).find_map(|(line, text)| {
        let found = DOORS
            .iter()
            .find(|(third, door)| names(text, third) && !source.path.starts_with(door));
        Some((line, found?))
    })?;
    Some(format!("line {line} names {what}: only {door} may"))
}

/// What makes the store lose data is for tests that show that they would notice.
pub fn dangers(source: &Source) -> Option<String> {
    let allowed = ["chaos-tests/", "raft-store/src/fsync.rs", "raft-store/src/lib.rs"];
    if allowed.iter().any(|place| source.path.starts_with(place)) {
        return None;
    }
    let (line, _) = code(&source.text).find(|(_, text)| text.contains("dangerously_"))?;
    Some(format!(
        "line {line} does something dangerous: only the proofs in chaos-tests may"
    ))
}

/// Randomness is an argument: only entropy.rs of a package draws it. Tests may draw cases.
pub fn randomness(source: &Source) -> Option<String> {
    if source.path.ends_with("/entropy.rs") || source.path.contains("/tests/") {
        return None;
    }
    // Another library's module of that name may be handed to it, but not drawn from.
    let draws = |text: &str| {
        (names(text, "rand::") && !text.contains("::rand::")) || text.contains(concat!("::rand", "::fill"))
    };
    let (line, _) = code(&source.text).find(|(_, text)| draws(text))?;
    Some(format!(
        "line {line} draws randomness: only the package's entropy.rs may"
    ))
}

/// A file fits into a head.
pub fn length(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| format!("{lines} lines, at most {FILE_LINES_MAX}: split it by what it is about"))
}

/// A file says first what it is for.
pub fn opening(source: &Source) -> Option<String> {
    let first = source.text.lines().next().unwrap_or_default();
    (!first.starts_with("//!")).then(|| "does not open with //! and what it is for".to_owned())
}

/// Nothing is left for later.
pub fn unfinished(source: &Source) -> Option<String> {
    // Put together here, so that this file does not break its own rule.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimplemen", "ted!"),
        concat!("to", "do!"),
    ];
    let (line, word) = source
        .text
        .lines()
        .zip(1..)
        .find_map(|(text, line)| Some((line, words.iter().find(|w| names(text, w))?)))?;
    Some(format!("line {line} says {word}: finish it or leave it out"))
}

/// A test that is not run proves nothing.
pub fn ignored_tests(source: &Source) -> Option<String> {
    let marker = concat!("#[ign", "ore");
    let (line, _) = code(&source.text).find(|(_, text)| text.contains(marker))?;
    Some(format!("line {line} switches a test off: repair it or delete it"))
}

/// Lines that are not comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether the line names the thing, and not something that merely ends like it.
fn names(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"')
    })
}
