//! A change that was acknowledged is never lost: every account whose making was acknowledged exists at the end.

use super::{Verdict, verdict};
use crate::chaos::evidence::Evidence;

/// Workloads that make accounts.
pub(crate) const MAKERS: [&str; 2] = ["acknowledged", "unique-names"];

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let aftermath = &evidence.aftermath;
    let broken: Vec<String> = aftermath
        .names_missing
        .iter()
        .map(|name| format!("{name} was made and is gone"))
        .collect();
    verdict(
        "what was acknowledged is there at the end",
        aftermath.names_found.len() + broken.len(),
        &broken,
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::of;
    use super::*;

    #[test]
    fn a_missing_account_is_named() {
        let mut evidence = of(Vec::new());
        assert!(check(&evidence).held);
        evidence.aftermath.names_missing.insert("kept-1".into());
        assert!(check(&evidence).detail.contains("kept-1"));
    }
}
