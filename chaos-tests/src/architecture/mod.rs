//! The rules of the project's shape, as functions that return what breaks them. `tests/architecture.rs` applies them to
//! the project, and shows for each that it can fail.

pub mod packages;
pub mod requirements;
pub mod sources;

use std::path::{Path, PathBuf};

/// Top of the project.
#[must_use]
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned()
}
