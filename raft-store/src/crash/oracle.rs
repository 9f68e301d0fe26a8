//! Judges what a member finds after a crash.
//!
//! Each rule is one function and says in its message what was lost or came back. Must not change the member.

use super::member::Found;
use super::model::Model;
use crate::disk::sim::Loss;
use crate::types::{LogId, Vote};

type Verdict = Result<(), String>;

/// Every rule.
pub(super) fn judge(model: &Model, found: &Found, loss: Loss) -> Verdict {
    identity(model, found)?;
    lives(model, found)?;
    log(model, found, loss)?;
    vote(model, found)?;
    committed(model, found, loss)?;
    tables(model, found)?;
    nothing_is_missing_between(found)
}

/// A folder that was in use keeps its identity.
fn identity(model: &Model, found: &Found) -> Verdict {
    match model.incarnation {
        Some(before) if before != found.incarnation => Err("the folder has another identity".into()),
        Some(_) | None => Ok(()),
    }
}

/// Whoever saw it before would welcome it.
fn lives(model: &Model, found: &Found) -> Verdict {
    let checked = model.seen.map_or(Ok(()), |seen| found.lineage.check(&seen));
    checked.map_err(|lost| format!("others would take it for an old image: {lost}"))
}

/// What was acknowledged is there, what was cut is not, and nothing is there that was never asked for.
fn log(model: &Model, found: &Found, loss: Loss) -> Verdict {
    let allowed = match loss {
        Loss::Scattered(_) => model.allows_scattered(&found.log),
        Loss::Lost | Loss::Kept | Loss::Killed | Loss::Torn(_) => model.allows(&found.log),
    };
    if allowed {
        return Ok(());
    }
    let ids = |entries: &[crate::types::Entry]| match entries {
        [] => "no entries".to_owned(),
        [one] => format!("entry {}", one.log_id),
        [first, .., last] => format!("entries {} to {}", first.log_id, last.log_id),
    };
    Err(format!(
        "the log holds {}, purged {:?}, vote {:?}; it was {}, purged {:?}, vote {:?}, with {} changes that nobody was told of",
        ids(&found.log.entries),
        found.log.purged,
        found.log.vote,
        ids(&model.log.entries),
        model.log.purged,
        model.log.vote,
        model.pending.len(),
    ))
}

/// A vote that was answered is in the log's database and in the guard file.
fn vote(model: &Model, found: &Found) -> Verdict {
    let Some(answered) = &model.answered else {
        return Ok(());
    };
    let places = [("the log", &found.log.vote), ("the guard file", &found.promises.vote)];
    for (place, kept) in places {
        if kept.as_ref().map(order) < Some(order(answered)) {
            return Err(format!("{place} has vote {kept:?}, but {answered} was answered"));
        }
    }
    Ok(())
}

fn order(vote: &Vote) -> (u64, u64, bool) {
    (vote.leader.term, vote.leader.node_id, vote.committed)
}

/// What is recorded as committed was recorded, and is there.
fn committed(model: &Model, found: &Found, loss: Loss) -> Verdict {
    let never = found.committed.is_none() && model.committed.first().is_none_or(Option::is_none);
    if !never && !model.committed.contains(&found.committed) {
        return Err(format!("{:?} is recorded as committed, but never was", found.committed));
    }
    let last = found.log.last().max(found.mark);
    if !matches!(loss, Loss::Scattered(_)) && found.committed > last {
        return Err(format!(
            "{:?} is recorded as committed, but the log ends at {last:?}",
            found.committed
        ));
    }
    Ok(())
}

/// The tables are exactly what the entries up to their mark make of them, and no older than they were.
fn tables(model: &Model, found: &Found) -> Verdict {
    let seen = found.mark.map_or(0, |id| id.index + 1);
    if seen < model.checkpoint {
        return Err(format!(
            "the tables go to {seen} entries, a checkpoint of {} was written",
            model.checkpoint
        ));
    }
    if seen != model.checkpoint && Some(seen) != model.checkpoint_begun {
        return Err(format!("the tables go to {seen} entries, which no checkpoint ever did"));
    }
    if found.mark != agreed(model, seen) {
        return Err(format!("the mark of the tables is {:?}", found.mark));
    }
    let membership = found
        .membership
        .log_id()
        .zip(Some(found.membership.membership().clone()));
    if membership != model.membership(seen) {
        return Err(format!("the tables hold the membership {membership:?}"));
    }
    same_cells(model, seen, &found.cells)?;
    if found.rows == found.digest {
        Ok(())
    } else {
        Err("the mark has another digest than its rows".into())
    }
}

fn agreed(model: &Model, seen: u64) -> Option<LogId> {
    let last = seen.checked_sub(1)?;
    model.agreed.get(&last).map(|entry| entry.log_id)
}

/// Row by row.
pub(super) fn same_cells(model: &Model, seen: u64, found: &super::model::Cells) -> Verdict {
    let expected = model.cells(seen);
    for (cell, value) in found {
        if expected.get(cell) != Some(value) {
            return Err(format!(
                "after {seen} entries cell {cell:?} has a value that it must not have"
            ));
        }
    }
    match expected.keys().find(|cell| !found.contains_key(*cell)) {
        Some(cell) => Err(format!("after {seen} entries cell {cell:?} is missing")),
        None => Ok(()),
    }
}

/// What is purged is in the tables.
fn nothing_is_missing_between(found: &Found) -> Verdict {
    if found.log.purged.map(|id| id.index) > found.mark.map(|id| id.index) {
        return Err(format!(
            "the log is purged up to {:?}, but the tables only go to {:?}",
            found.log.purged, found.mark
        ));
    }
    Ok(())
}
