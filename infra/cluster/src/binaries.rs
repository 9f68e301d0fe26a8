//! Finds the programs that a cluster consists of.

use crate::error::{Error, Result};
use std::env;
use std::path::{Path, PathBuf};

/// Environment variable that names the folder of the programs, instead of looking for them.
pub const BIN_DIR_VARIABLE: &str = "TFAUTH_BIN_DIR";

/// Which build to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// The one that this program belongs to.
    #[default]
    Own,
    /// The development profile's.
    Debug,
}

/// Paths of the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// `tfauth-node`.
    pub node: PathBuf,
    /// `tfauth-lb`.
    pub lb: PathBuf,
    /// `tfauth`, the operator's command line.
    pub ctl: PathBuf,
}

impl Binaries {
    /// In `TFAUTH_BIN_DIR`, else beside this program (or beside the folder `deps` that tests run from).
    ///
    /// # Errors
    /// Names the program that is missing and how to build it.
    pub fn find(build: Build) -> Result<Self> {
        let dir = match env::var_os(BIN_DIR_VARIABLE) {
            Some(dir) => std::path::absolute(PathBuf::from(dir))
                .map_err(|e| Error::refused(format!("{BIN_DIR_VARIABLE}: {e}")))?,
            None => beside(build)?,
        };
        Self::in_folder(&dir)
    }

    /// In that folder.
    ///
    /// # Errors
    /// Names the program that is missing and how to build it.
    pub fn in_folder(dir: &Path) -> Result<Self> {
        let program = |name: &str| {
            let path = dir.join(name);
            if path.is_file() {
                return Ok(path);
            }
            let release = if dir.ends_with("release") { " --release" } else { "" };
            Err(Error::refused(format!(
                "{} does not exist: build it with `cargo build{release} -p node -p lb -p ctl -p cluster-harness`, or name its folder with {BIN_DIR_VARIABLE}",
                path.display()
            )))
        };
        Ok(Self {
            node: program("tfauth-node")?,
            lb: program("tfauth-lb")?,
            ctl: program("tfauth")?,
        })
    }
}

fn beside(build: Build) -> Result<PathBuf> {
    let own = env::current_exe().map_err(|e| Error::fault(format!("cannot tell where this program lies: {e}")))?;
    let mut dir = own.parent().unwrap_or(Path::new("/")).to_owned();
    if dir.ends_with("deps") {
        dir.pop();
    }
    match build {
        Build::Own => Ok(dir),
        Build::Debug => Ok(dir.with_file_name("debug")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_command_that_builds_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tfauth-node"), "").unwrap();
        let error = Binaries::in_folder(dir.path()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("tfauth-lb") && error.to_string().contains("cargo build"),
            "{error}"
        );
    }
}
