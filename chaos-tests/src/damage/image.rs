//! The one injury that no folder shows: all of it is from before. The other members of its cluster have to notice.

use super::PATIENCE;
use super::ground::{Patient, copy};
use super::judge::Outcome;
use crate::member::Member;

/// Starts the others as they were, and the patient on its folder as it was some time before.
pub(super) fn restore(patient: &Patient) -> Result<Outcome, String> {
    let scratch = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let mut others: Vec<Member> = Vec::new();
    for (id, folder) in &patient.others {
        let data = scratch.path().join(format!("member-{id}"));
        copy(folder, &data)?;
        others.push(patient.site.start(*id, &data)?);
    }
    for other in &mut others {
        if !other.wait_for("open", PATIENCE) {
            return Err(format!("another member does not open: {}", other.last_words()));
        }
    }
    let data = scratch.path().join("restored");
    copy(&patient.older, &data)?;
    let mut restored = patient.site.start(patient.id, &data)?;
    let told = restored.wait_for("fault", PATIENCE);
    let words = restored.last_words();
    Ok(
        if told && words.contains("must not be used") && words.contains("older image") {
            Outcome::Quarantine(words)
        } else {
            Outcome::Silent(format!("an old image takes part: {words}"))
        },
    )
}
