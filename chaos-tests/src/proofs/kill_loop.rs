//! kill -9 at any moment of a member's life, on a real disk: while it opens its store, writes, or saves its tables.

use super::single::{Death, Lives, rounds};
use super::verdict::{Run, Verdict};
use crate::entropy::Dice;
use crate::member::{Heard, Member, Site};
use std::path::Path;
use std::time::Instant;

struct Kill;

impl Death for Kill {
    fn come(&mut self, member: Member, _: &mut Dice, _: &mut Verdict) -> Result<Heard, String> {
        member.kill()
    }
}

/// Runs the loop in a folder below `ground`, or in the system's temporary folder.
///
/// # Errors
/// A process cannot be started; not what the run finds.
pub fn kill_loop(run: &Run, ground: Option<&Path>) -> Result<Verdict, String> {
    let started = Instant::now();
    let site = Site::new(&run.program, 1)?;
    let folder = ground.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
    let folder = folder.map_err(|e| format!("no temporary folder: {e}"))?;
    let lives = Lives {
        opening_max: 60,
        writing_max: 200,
        opening_percent: 40,
        electing_max: 300,
        electing_percent: 25,
    };
    let verdict = rounds(run, &site, &folder.path().join("data"), &lives, &mut Kill)?;
    if !verdict.holds() {
        let kept = folder.keep();
        eprintln!("the data folder stays in {}", kept.display());
    }
    Ok(verdict.took(started.elapsed()))
}
