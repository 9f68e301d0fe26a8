//! Programs in Python that this project did not write the libraries of: independent judges of codes and tokens.
//!
//! Their interpreter has the packages of `infra/python-tools.txt`; `infra/dev test` makes it.

use crate::architecture::project;
use crate::skipping::skipped;
use std::path::PathBuf;
use std::process::Command;

/// Names the interpreter, instead of looking where `infra/dev` puts it.
const VARIABLE: &str = "TFAUTH_PYTHON";
/// What is said where there is none.
pub const MISSING: &str =
    "there is no Python with the packages of infra/python-tools.txt; `infra/dev python-tools` makes one";

/// The interpreter, where there is one.
#[must_use]
pub fn interpreter() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let place = std::env::var_os(VARIABLE).map(PathBuf::from);
    let place = place.or_else(|| Some(cache?.join("tfauth/python/bin/python")));
    place.filter(|program| program.is_file())
}

/// The interpreter for a test; `None`, told loudly, where this machine cannot have it.
#[must_use]
pub fn interpreter_or_skipped() -> Option<PathBuf> {
    let found = interpreter();
    let missing = found.is_none().then(|| MISSING.to_owned());
    if skipped(missing, true) { None } else { found }
}

/// Runs a script of `chaos-tests/oracles` with arguments; its standard output.
///
/// # Errors
/// It fails; with what it said.
pub fn run(interpreter: &std::path::Path, script: &str, arguments: &[&str]) -> Result<String, String> {
    let script = project().join("chaos-tests/oracles").join(script);
    let output = Command::new(interpreter).arg(&script).args(arguments).output();
    let output = output.map_err(|e| format!("{}: {e}", script.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{} ended with {}: {said}", script.display(), output.status))
}
