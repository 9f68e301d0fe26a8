//! At the end all nodes have the same: the same chain of audit rows to the last hash, no digest of tables that differed, and a
//! membership without an open change.

use super::{Verdict, verdict};
use crate::chaos::evidence::Evidence;
use std::collections::BTreeSet;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let aftermath = &evidence.aftermath;
    let mut broken = aftermath.unasked.clone();
    let different: BTreeSet<&(usize, String)> = aftermath.audits.values().collect();
    if different.len() > 1 {
        broken.push(format!("the audits of nodes differ: {:?}", aftermath.audits));
    }
    let (_, differed) = aftermath.digests;
    if differed > 0 {
        broken.push(format!("tables of members differed {differed} times"));
    }
    match &aftermath.view {
        Some(view) if view.changing => broken.push("a change of the membership is still open".to_owned()),
        Some(_) => {}
        None => broken.push("nobody tells who belongs to the cluster".to_owned()),
    }
    let ended = &aftermath.ended_by_themselves;
    broken.extend(ended.iter().map(|name| format!("{name} ended by itself")));
    verdict("all nodes have the same at the end", aftermath.audits.len(), &broken)
}

#[cfg(test)]
mod tests {
    use super::super::testing::of;
    use super::*;
    use auth_api::cluster::ClusterView;

    #[test]
    fn other_audits_other_digests_and_an_open_change_are_found() {
        let mut evidence = of(Vec::new());
        assert!(!check(&evidence).held, "nobody was asked");
        let view = ClusterView {
            cluster_id: String::new(),
            cluster_version: 1,
            leader_id: 1,
            last_log: 7,
            changing: false,
            members: Vec::new(),
        };
        evidence.aftermath.view = Some(view.clone());
        evidence.aftermath.audits = [("node-1".into(), (7, "a".into())), ("node-2".into(), (7, "a".into()))].into();
        assert!(check(&evidence).held);
        evidence.aftermath.audits.insert("node-2".into(), (7, "b".into()));
        assert!(!check(&evidence).held);
        evidence.aftermath.audits.clear();
        evidence.aftermath.digests = (3, 1);
        assert!(!check(&evidence).held);
        evidence.aftermath.digests = (3, 0);
        evidence.aftermath.view = Some(ClusterView { changing: true, ..view });
        assert!(!check(&evidence).held);
    }
}
