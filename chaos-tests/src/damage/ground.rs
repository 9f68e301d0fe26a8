//! The folders that are damaged: of a member that is its own majority, killed with entries that no checkpoint has, if it
//! can be had in the middle of a checkpoint; and of a follower that had taken over a snapshot.

use super::PATIENCE;
use crate::canary::files_below;
use crate::member::{Heard, Member, Site};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Acknowledgements before the older copy is taken, and again after it.
const ACKS: u64 = 1500;
/// Tries to die in the middle of a checkpoint.
const CHECKPOINT_TRIES: u32 = 12;

/// A folder, and what its member had promised.
pub(super) struct Patient {
    pub(super) name: &'static str,
    /// Its member.
    pub(super) id: u64,
    pub(super) site: Site,
    pub(super) folder: PathBuf,
    /// The same folder some time before.
    pub(super) older: PathBuf,
    /// The folder of another member of the same cluster, if there is one.
    pub(super) foreign: Option<PathBuf>,
    /// All other members, as they were when this one ended.
    pub(super) others: Vec<(u64, PathBuf)>,
    pub(super) promised: Heard,
    /// Whether it can lead by itself, and so show all it has.
    pub(super) alone: bool,
}

impl Patient {
    /// Writes that were acknowledged with this folder's help.
    pub(super) fn acknowledged(&self) -> u64 {
        self.promised.acks
    }
}

pub(super) struct Ground {
    _folder: TempDir,
    pub(super) patients: Vec<Patient>,
}

impl Ground {
    pub(super) fn make(proofs: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("tfauth-damage-")
            .tempdir()
            .map_err(|e| format!("no temporary folder: {e}"))?;
        let patients = vec![alone(proofs, folder.path())?, follower(proofs, folder.path())?];
        Ok(Self {
            _folder: folder,
            patients,
        })
    }
}

fn alone(proofs: &Path, ground: &Path) -> Result<Patient, String> {
    let site = Site::new(proofs, 1)?;
    let (folder, older) = (ground.join("alone"), ground.join("alone-older"));
    let mut promised = Heard::default();
    let mut member = opened(&site, 1, &folder)?;
    member.say("write");
    acks(&mut member, ACKS)?;
    learn(&mut promised, &member.kill()?);
    copy(&folder, &older)?;
    let mut member = opened(&site, 1, &folder)?;
    member.say("write");
    acks(&mut member, ACKS)?;
    learn(&mut promised, &member.kill()?);
    for _ in 0..CHECKPOINT_TRIES {
        if files_below(&folder)?.iter().any(|file| file.ends_with("redo")) {
            break;
        }
        let mut member = opened(&site, 1, &folder)?;
        member.say("write");
        if !member.wait_for("checkpoint", PATIENCE) {
            return Err("no checkpoint begins".into());
        }
        learn(&mut promised, &member.kill()?);
    }
    Ok(Patient {
        name: "alone",
        id: 1,
        site,
        folder,
        older,
        foreign: None,
        others: Vec::new(),
        promised,
        alone: true,
    })
}

fn follower(proofs: &Path, ground: &Path) -> Result<Patient, String> {
    let site = Site::new(proofs, 3)?;
    let at = |id: u64| ground.join(format!("member-{id}"));
    let mut members: Vec<Member> = (1..=3).map(|id| site.start(id, &at(id))).collect::<Result<_, _>>()?;
    for member in &mut members {
        open(member)?;
    }
    members[0].say("write");
    acks(&mut members[0], ACKS / 5)?;
    let mut last = members.pop().ok_or("no members")?;
    // It has taken part before it falls behind.
    if !last.report(PATIENCE) {
        return Err(format!("a follower does not report: {}", last.last_words()));
    }
    let mut promised = Heard::default();
    learn(&mut promised, &last.kill()?);
    let older = ground.join("member-3-older");
    copy(&at(3), &older)?;
    // Far more than the others keep in their logs.
    acks(&mut members[0], ACKS)?;
    let mut last = opened(&site, 3, &at(3))?;
    if !last.report(PATIENCE) {
        return Err(format!("a follower does not catch up: {}", last.last_words()));
    }
    last.say("write");
    acks(&mut last, 20)?;
    let (acked, _) = (
        last.kill()?,
        members.into_iter().map(Member::kill).collect::<Result<Vec<_>, _>>()?,
    );
    learn(&mut promised, &acked);
    Ok(Patient {
        name: "follower",
        id: 3,
        site,
        folder: at(3),
        older,
        foreign: Some(at(2)),
        others: vec![(1, at(1)), (2, at(2))],
        promised,
        alone: false,
    })
}

fn opened(site: &Site, id: u64, folder: &Path) -> Result<Member, String> {
    let mut member = site.start(id, folder)?;
    open(&mut member)?;
    Ok(member)
}

fn open(member: &mut Member) -> Result<(), String> {
    if member.wait_for("open", PATIENCE) {
        Ok(())
    } else {
        Err(format!("a member does not open: {}", member.last_words()))
    }
}

fn acks(member: &mut Member, count: u64) -> Result<(), String> {
    let until = member.heard.acks + count;
    while member.heard.acks < until {
        if !member.wait_for("ack", PATIENCE) {
            return Err(format!("nothing is acknowledged: {}", member.last_words()));
        }
    }
    Ok(())
}

fn learn(promised: &mut Heard, heard: &Heard) {
    for (key, number) in &heard.acked {
        let highest = promised.acked.entry(key.clone()).or_default();
        *highest = (*number).max(*highest);
    }
    promised.acks += heard.acks;
    promised.leader_term = promised.leader_term.max(heard.leader_term);
}

/// Copies a folder; files of one name are written over.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copied = Command::new("cp")
        .args([
            "--archive",
            "--reflink=auto",
            "--sparse=always",
            "--no-target-directory",
        ])
        .arg(from)
        .arg(to)
        .output();
    match copied {
        Ok(output) if output.status.success() => Ok(()),
        other => Err(format!("cannot copy {} to {}: {other:?}", from.display(), to.display())),
    }
}

/// What must be there, by key.
pub(super) fn lost(promised: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Vec<String> {
    let missing = promised.iter().filter_map(|(key, acked)| {
        let found = found.get(key).copied().unwrap_or(0);
        (found < *acked).then(|| format!("{key} was acknowledged at {acked}, found {found}"))
    });
    missing.collect()
}
