//! What was loaded from the log against what this member has promised.
//!
//! Must not change anything.

use std::path::Path;

use super::loaded::Loaded;
use super::segments;
use crate::OpenError;
use crate::disk::Disk;
use crate::guard::Promises;
use crate::types::{LogId, Vote};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct LogFound {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    pub(crate) entries: u64,
}

/// Reads every frame, and compares all of it with the promises.
pub(crate) fn audit(disk: &Disk, folder: &Path, promises: &Promises, owner: [u8; 16]) -> Result<LogFound, OpenError> {
    let loaded = segments::read(disk, &folder.join("log"), owner)?.loaded;
    check(folder, &loaded, promises)?;
    Ok(LogFound {
        vote: loaded.vote,
        purged: loaded.purged,
        last: loaded.last(),
        entries: loaded.entries.len() as u64,
    })
}

pub(super) fn check(folder: &Path, loaded: &Loaded, promises: &Promises) -> Result<(), OpenError> {
    let first = loaded.entries.first().map_or(0, |entry| entry.log_id.index);
    if loaded.purged.is_none() && first > 0 {
        return Err(OpenError::quarantine(
            folder,
            format!("its log begins at entry {first}, and nothing tells that those before it were purged"),
        ));
    }
    check_promises(folder, loaded, promises)
}

/// The log on disk must hold at least what the guard file says it does.
fn check_promises(folder: &Path, loaded: &Loaded, promises: &Promises) -> Result<(), OpenError> {
    if let Some(promised) = &promises.vote {
        let kept = loaded.vote.as_ref().map(vote_order);
        if kept < Some(vote_order(promised)) {
            return Err(OpenError::quarantine(
                folder,
                format!("it has forgotten the vote {promised}"),
            ));
        }
    }
    let Some(promised) = promises.log else {
        return Ok(());
    };
    let last = loaded.last();
    if last.is_none_or(|last| last.index < promised.index) {
        let found = last.map_or("nothing".to_owned(), |last| last.to_string());
        return Err(OpenError::quarantine(
            folder,
            format!("its log ends at {found}, but entry {promised} was on disk"),
        ));
    }
    let same_place = loaded.entries.iter().find(|entry| entry.log_id.index == promised.index);
    match same_place {
        Some(entry) if entry.log_id != promised => Err(OpenError::quarantine(
            folder,
            format!(
                "entry {} is {}, but {promised} was on disk",
                promised.index, entry.log_id
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

fn vote_order(vote: &Vote) -> (u64, u64, bool) {
    (vote.leader.term, vote.leader.node_id, vote.committed)
}
