//! Tests that cannot run where they are: the one place that says so, loudly. What `infra/dev test` installs is never missing
//! on a build machine (`CI` is set): there such a test fails. What a machine may refuse (packet filters, FUSE, mounts) is
//! told by name and reason, again at the end of `infra/dev test`.
//!
//! Also compiled into the tests of packages that may not depend on this one. Must use nothing but the standard library.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Names the file that collects what was skipped.
const COLLECTION: &str = "TFAUTH_SKIPPED";

/// Whether a test is left out, because of `missing`: why. `can_be_installed`: `infra/dev test` does that.
///
/// # Panics
/// Something that can be installed is missing on a build machine.
pub fn skipped(missing: Option<String>, can_be_installed: bool) -> bool {
    let Some(why) = missing else {
        return false;
    };
    let thread = std::thread::current();
    let name = std::env::var("NEXTEST_TEST_NAME").ok();
    let name = name.as_deref().or(thread.name()).unwrap_or("a test");
    let line = format!("SKIPPED {name}: {why}");
    eprintln!("{line}");
    assert!(
        !is_failure(can_be_installed, std::env::var_os("CI").as_deref()),
        "{line}; a build machine has that: `infra/dev test` installs it"
    );
    if let Some(path) = std::env::var_os(COLLECTION) {
        let file = OpenOptions::new().append(true).create(true).open(path);
        // What cannot be collected was told above.
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
    true
}

fn is_failure(can_be_installed: bool, ci: Option<&OsStr>) -> bool {
    can_be_installed && ci.is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_machine_that_lacks_what_is_installed_fails_and_everything_else_is_skipped() {
        let ci = |value: &'static str| Some(OsStr::new(value));
        assert!(is_failure(true, ci("true")) && is_failure(true, ci("1")));
        for (can_be_installed, ci) in [(true, None), (true, ci("")), (true, ci("false")), (false, ci("true"))] {
            assert!(!is_failure(can_be_installed, ci), "{can_be_installed} {ci:?}");
        }
        assert!(!skipped(None, true));
    }
}
