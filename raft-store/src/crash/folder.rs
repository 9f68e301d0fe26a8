//! Crash points of what happens to a data folder before and beside its stores: the identity that it asks to be let in with,
//! the id that the cluster gives it, its first start, and its way into quarantine. The first start of a founding member is
//! part of every plan of `drive`.
//!
//! Must stop at every write and flush, and take the disk through every kind of loss.

use std::path::Path;

use super::Trouble;
use super::member::{FOLDER, Member};
use crate::OpenError;
use crate::cluster::join::candidate;
use crate::disk::Disk;
use crate::disk::sim::{Loss, SimDisk};
use crate::identity::Identity;
use crate::quarantine::{burned_on, is_marked, mark_on, quarantine_on};

const CLUSTER_ID: [u8; 16] = [1; 16];
const GIVEN_ID: u64 = 1007;
/// Torn losses for each point.
const TEARS: u64 = 6;

/// What was told to somebody before the power went.
#[derive(Clone, Debug, Default)]
struct Told {
    candidate: Option<[u8; 16]>,
    joined: bool,
    opened: bool,
    marked: bool,
    burned: bool,
}

/// So many points and cases were tried; the first thing that went wrong, if any.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) points: u64,
    pub(super) cases: u64,
    pub(super) wrong: Vec<String>,
}

/// Stops at every point of the way of a folder from empty through a cluster into quarantine.
pub(super) async fn enumerate() -> Outcome {
    let mut outcome = Outcome::default();
    let whole = SimDisk::new(0);
    let mut told = Told::default();
    if let Err(trouble) = way(&whole, &mut told).await {
        outcome.wrong.push(format!("nothing was stopped: {trouble}"));
        return outcome;
    }
    outcome.points = whole.points();
    for point in 0..outcome.points {
        let disk = SimDisk::new(0);
        disk.stop_at(point);
        let mut told = Told::default();
        let _stopped = way(&disk, &mut told).await;
        let mut losses = vec![Loss::Lost, Loss::Kept, Loss::Killed];
        losses.extend((0..TEARS).map(|seed| Loss::Torn(seed + point)));
        for loss in losses {
            outcome.cases += 1;
            if let Err(why) = judge(&disk.after(loss), &told).await {
                let at = disk.stopped_in();
                outcome
                    .wrong
                    .push(format!("point {point} ({at}), {loss}: {why}; told {told:?}"));
            }
        }
    }
    outcome
}

/// From nothing into quarantine. What comes back from a step has been told.
async fn way(sim: &SimDisk, told: &mut Told) -> Result<(), Trouble> {
    let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new(FOLDER));
    let wrong = |error: OpenError| Trouble::Wrong(error.to_string());
    disk.create_folder(folder).map_err(|e| Trouble::Wrong(e.to_string()))?;
    let incarnation = candidate(&disk, folder).map_err(wrong)?;
    told.candidate = Some(incarnation);
    Identity::joined(&disk, folder, CLUSTER_ID, GIVEN_ID, incarnation).map_err(wrong)?;
    told.joined = true;
    let member = Member::open(sim).await.map_err(wrong)?;
    told.opened = true;
    drop(member);
    mark_on(&disk, folder, "a test").map_err(|e| Trouble::Wrong(e.to_string()))?;
    told.marked = true;
    quarantine_on(&disk, folder, "now", "a test").map_err(wrong)?;
    told.burned = true;
    Ok(())
}

/// What must hold of the folder as it came back, and that the way can be gone to its end from there.
async fn judge(sim: &SimDisk, told: &Told) -> Result<(), String> {
    let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new(FOLDER));
    let text = |error: OpenError| error.to_string();
    disk.create_folder(folder).map_err(|e| e.to_string())?;
    let burned = burned_on(&disk, folder).map_err(text)?;
    if told.burned && burned.iter().all(|burned| burned.node_id != Some(GIVEN_ID)) {
        return Err(format!("its id is not burned: {burned:?}"));
    }
    if is_marked(&disk, folder) {
        refuses(sim).await?;
    } else if told.marked && burned.is_empty() {
        return Err("the mark is gone, and the folder is not in quarantine".into());
    } else if burned.is_empty() {
        goes_on(sim, told).await?;
        mark_on(&disk, folder, "a test").map_err(|e| e.to_string())?;
    }
    if is_marked(&disk, folder) {
        quarantine_on(&disk, folder, "later", "a test").map_err(text)?;
    }
    quarantined(&disk, folder)
}

async fn refuses(sim: &SimDisk) -> Result<(), String> {
    match Member::open(sim).await {
        Err(OpenError::Quarantine { .. }) => Ok(()),
        Err(other) => Err(format!("a marked folder is refused for another reason: {other}")),
        Ok(_) => Err("a marked folder is opened".into()),
    }
}

/// The same folder asks under the same name, has the id that it was given, and opens.
async fn goes_on(sim: &SimDisk, told: &Told) -> Result<(), String> {
    let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new(FOLDER));
    let text = |error: OpenError| error.to_string();
    let settled = Identity::settled(&disk, folder, CLUSTER_ID, None).map_err(text)?;
    let identity = match settled {
        Some(identity) => identity,
        None if told.joined => return Err("it has forgotten the id that it was given".into()),
        None => {
            let incarnation = candidate(&disk, folder).map_err(text)?;
            Identity::joined(&disk, folder, CLUSTER_ID, GIVEN_ID, incarnation).map_err(text)?
        }
    };
    if told.candidate.is_some_and(|asked_as| asked_as != identity.incarnation) {
        return Err("it asks as another folder than before".into());
    }
    let member = Member::open(sim).await.map_err(text)?;
    if member.found.incarnation != identity.incarnation {
        return Err("it opens as another folder".into());
    }
    Ok(())
}

/// The content lies aside, the id is burned, and the folder takes another id only.
fn quarantined(disk: &Disk, folder: &Path) -> Result<(), String> {
    let text = |error: OpenError| error.to_string();
    let burned = burned_on(disk, folder).map_err(text)?;
    let [one] = burned.as_slice() else {
        return Err(format!("one id is burned, not {burned:?}"));
    };
    if one.node_id != Some(GIVEN_ID) {
        return Err(format!("the wrong id is burned: {one:?}"));
    }
    for file in ["identity", "guard", "log", "state"] {
        if !disk.exists(&folder.join(&one.kept_in).join(file)) {
            return Err(format!("{file} is not among what was kept"));
        }
        if disk.exists(&folder.join(file)) {
            return Err(format!("{file} is still in the folder"));
        }
    }
    match Identity::claim(disk, folder, CLUSTER_ID, GIVEN_ID) {
        Err(OpenError::Burned { .. }) => {}
        other => return Err(format!("the burned id is taken again: {other:?}")),
    }
    Identity::claim(disk, folder, CLUSTER_ID, GIVEN_ID + 1).map_err(text)?;
    Ok(())
}
