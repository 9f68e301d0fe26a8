//! Damage on purpose: files of real data folders are changed, cut, emptied, exchanged for older or foreign ones, one case
//! at a time, and what a node says of each is recorded. Every case must end in OK with everything acknowledged really
//! there, or in a told QUARANTINE; never in a loss that nobody is told. A process that looks first and ends without a word is a
//! finding as well, although its parent takes that for damage.
//!
//! The folders are made by members of the store that were killed in the middle of their work. The judge is the real
//! `tfauth-node verify` in a process of its own, and after an OK the store itself, opened on the damaged folder and asked
//! for everything that it had acknowledged.

mod ground;
mod image;
mod injury;
mod judge;
mod table;

pub use table::{Count, Table};

use crate::entropy::Dice;
use ground::Ground;
use injury::{Injury, injuries};
use judge::Judge;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than any start or election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Cases that a line of progress is printed for.
const PROGRESS_EVERY: usize = 50;

/// How much is done.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The program `tfauth-proofs`, for members.
    pub proofs: PathBuf,
    /// The program `tfauth-node`, for the judge.
    pub node: PathBuf,
    /// Cases per file and kind of injury.
    pub cases: u64,
    /// No more cases than this, chosen by the seed.
    pub cases_max: Option<usize>,
    /// Everything that is chosen follows from it.
    pub seed: u64,
    /// Whether a line of progress is printed now and then.
    pub progress: bool,
}

/// Makes the folders, damages copies of them, and judges each.
///
/// # Errors
/// The folders could not be made, or a copy of one.
pub fn run(campaign: &Campaign) -> Result<Table, String> {
    let ground = Ground::make(&campaign.proofs)?;
    let mut dice = Dice::new(campaign.seed);
    let mut cases = Vec::new();
    for (number, patient) in ground.patients.iter().enumerate() {
        let some = injuries(patient, campaign.cases, &mut dice)?;
        cases.extend(some.into_iter().map(|injury| (number, injury)));
    }
    if let Some(max) = campaign.cases_max {
        while cases.len() > max {
            cases.swap_remove(dice.index(cases.len()));
        }
    }
    let judge = Judge::new(campaign, &ground);
    let mut table = Table::new(
        campaign.seed,
        ground.patients.iter().map(ground::Patient::acknowledged).sum(),
    );
    // An uninjured folder must be called sound, or no verdict below says anything.
    for patient in &ground.patients {
        table.add(patient.name, &Injury::none(), judge.judge(patient, &Injury::none())?);
    }
    for patient in ground.patients.iter().filter(|patient| !patient.others.is_empty()) {
        table.add(patient.name, &Injury::image(), image::restore(patient)?);
    }
    let all = cases.len();
    for (done, (number, injury)) in cases.into_iter().enumerate() {
        let patient = &ground.patients[number];
        table.add(patient.name, &injury, judge.judge(patient, &injury)?);
        if campaign.progress && (done + 1).is_multiple_of(PROGRESS_EVERY) {
            eprintln!("{} of {all} cases: {}", done + 1, table.totals());
        }
    }
    Ok(table)
}
