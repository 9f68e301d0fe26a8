//! Applies the store's commands to its own rows. Every member comes to the same answer.
//!
//! Must not read a clock or know who leads: times come with the command.

use bytes::Bytes;

use super::command::{Proof, System, SystemReply};
use super::rows::{self, NodeRow, Standing, TokenRow};
use crate::codec::wire::Message;
use crate::limits::{AUTOMATIC_REPLACEMENT_INTERVAL, FOUNDER_ID_MAX};
use crate::machine::Transaction;
use crate::types::Membership;
use crate::{ApplyError, StorageError};

/// Applies the command of entry `index`. `version_max` is the newest cluster version that this program speaks.
pub(crate) fn apply(
    index: u64,
    command: Bytes,
    membership: &Membership,
    version_max: u32,
    tables: &mut Transaction<'_>,
) -> Result<SystemReply, ApplyError> {
    let command = System::from_bytes(command)
        .map_err(|error| ApplyError::refused(format!("{error}; this program is older than the cluster: upgrade it")))?;
    Ok(match command {
        System::AddToken {
            hash,
            now_ms,
            expires_ms,
            replaces,
        } => {
            let row = TokenRow {
                expires_ms,
                replaces,
                used_by: None,
            };
            add_token(&hash, now_ms, row, membership, tables)?
        }
        System::Join {
            now_ms,
            name,
            address,
            incarnation,
            proof,
        } => {
            let row = NodeRow {
                name,
                address,
                incarnation,
                standing: Standing::Joining,
                replaces: None,
                promote: false,
            };
            join(index, now_ms, row, proof, membership, tables)?
        }
        System::Promote { id, replaces } => promote(id, replaces, membership, tables)?,
        System::Retire { id } => retire(id, membership, tables)?,
        System::RaiseVersion { to } => {
            let now = rows::cluster_version(tables)?;
            if to > version_max {
                return Err(ApplyError::refused(format!(
                    "the cluster is raised to version {to}, this program speaks up to {version_max}: upgrade it"
                )));
            }
            if to > now {
                rows::put_cluster_version(tables, to);
            }
            SystemReply::Done
        }
    })
}

fn refused(reason: impl Into<String>) -> SystemReply {
    SystemReply::Refused { reason: reason.into() }
}

fn add_token(
    hash: &[u8; 32],
    now_ms: u64,
    row: TokenRow,
    membership: &Membership,
    tables: &mut Transaction<'_>,
) -> Result<SystemReply, StorageError> {
    rows::drop_expired_tokens(tables, now_ms)?;
    if let Some(old) = row.replaces
        && membership.get_node(&old).is_none()
    {
        return not_a_member(tables, old);
    }
    rows::put_token(tables, hash, &row);
    Ok(SystemReply::Done)
}

fn not_a_member(tables: &Transaction<'_>, id: u64) -> Result<SystemReply, StorageError> {
    let removed = rows::node(tables, id)?.is_some_and(|row| row.standing == Standing::Removed);
    Ok(refused(if removed {
        format!("node {id} was removed already")
    } else {
        format!("node {id} is not a member")
    }))
}

/// A node asks to be let in; whoever asks again from the same folder gets the same id.
fn join(
    index: u64,
    now_ms: u64,
    mut row: NodeRow,
    proof: Proof,
    membership: &Membership,
    tables: &mut Transaction<'_>,
) -> Result<SystemReply, StorageError> {
    let known = rows::nodes(tables)?;
    let same = known
        .iter()
        .find(|(_, other)| other.incarnation == row.incarnation && other.name == row.name);
    if let Some((id, other)) = same {
        return Ok(match other.standing {
            Standing::Joining | Standing::Member => SystemReply::Joined { id: *id },
            Standing::Removed => refused(format!("node {id} of this folder was removed; wipe it and join anew")),
        });
    }
    row.replaces = match check_proof(now_ms, &row, proof, membership, tables)? {
        Ok(replaces) => replaces,
        Err(reason) => return Ok(refused(reason)),
    };
    // An earlier candidate for the same place did not get that far, and gives way.
    let rival = |other: &NodeRow| {
        other.standing == Standing::Joining && row.replaces.is_some() && other.replaces == row.replaces
    };
    let clash = membership
        .nodes()
        .find(|(id, node)| node.name == row.name && Some(**id) != row.replaces && !known.get(id).is_some_and(rival));
    if let Some((id, _)) = clash {
        return Ok(refused(format!(
            "node {id} has the name {:?} already; replace it, or give the new node a name of its own",
            row.name
        )));
    }
    // Nor did one of the same name that never became a learner.
    let lost = |id: &u64, other: &NodeRow| {
        other.standing == Standing::Joining && other.name == row.name && membership.get_node(id).is_none()
    };
    let given_up: Vec<u64> = known
        .iter()
        .filter(|(id, other)| rival(other) || lost(id, other))
        .map(|(id, _)| *id)
        .collect();
    for (id, mut other) in known.into_iter().filter(|(id, _)| given_up.contains(id)) {
        other.standing = Standing::Removed;
        rows::put_node(tables, id, &other);
    }
    row.promote = row
        .replaces
        .is_some_and(|old| membership.voter_ids().any(|voter| voter == old));
    // Never used before, and never again: no other entry has this index, and founding members have lower ids.
    let id = FOUNDER_ID_MAX.saturating_add(index);
    rows::put_node(tables, id, &row);
    match proof {
        Proof::Token(hash) => {
            if let Some(mut token) = rows::token(tables, &hash)? {
                token.used_by = Some(id);
                rows::put_token(tables, &hash, &token);
            }
        }
        Proof::Certificate { .. } => rows::put_last_automatic(tables, now_ms),
    }
    Ok(SystemReply::Joined { id })
}

/// Which id the node may replace, if any; or why it may not come in.
fn check_proof(
    now_ms: u64,
    row: &NodeRow,
    proof: Proof,
    membership: &Membership,
    tables: &Transaction<'_>,
) -> Result<Result<Option<u64>, String>, StorageError> {
    let replaces = match proof {
        Proof::Token(hash) => {
            let token = rows::token(tables, &hash)?;
            match token {
                None => return Ok(Err("the token is not known, or it has expired; make a new one".into())),
                Some(token) if token.expires_ms < now_ms => {
                    return Ok(Err("the token has expired; make a new one".into()));
                }
                Some(TokenRow { used_by: Some(id), .. }) => {
                    return Ok(Err(format!("the token was used by node {id}; make a new one")));
                }
                Some(token) => token.replaces,
            }
        }
        Proof::Certificate { replaces } => {
            if let Some(reason) = refuse_automatic(now_ms, row, replaces, membership, tables)? {
                return Ok(Err(reason));
            }
            Some(replaces)
        }
    };
    Ok(match replaces {
        Some(old) if membership.get_node(&old).is_none() => match not_a_member(tables, old)? {
            SystemReply::Refused { reason } => Err(reason),
            SystemReply::Done | SystemReply::Joined { .. } => Ok(None),
        },
        replaces => Ok(replaces),
    })
}

/// Without an operator a node comes back in its own place only, and one at a time.
fn refuse_automatic(
    now_ms: u64,
    row: &NodeRow,
    old: u64,
    membership: &Membership,
    tables: &Transaction<'_>,
) -> Result<Option<String>, StorageError> {
    let same_name = membership.get_node(&old).is_some_and(|node| node.name == row.name);
    if !same_name {
        return Ok(Some(format!(
            "node {old} is not a member with the name {:?}; an operator has to make a token",
            row.name
        )));
    }
    let interval = u64::try_from(AUTOMATIC_REPLACEMENT_INTERVAL.as_millis()).unwrap_or(u64::MAX);
    let soon = rows::last_automatic(tables)?.filter(|last| now_ms < last.saturating_add(interval));
    Ok(soon.map(|last| {
        format!(
            "another node was replaced {} s ago, and only one per {} s comes back by itself; an operator can make a token",
            now_ms.saturating_sub(last) / 1000,
            AUTOMATIC_REPLACEMENT_INTERVAL.as_secs()
        )
    }))
}

fn promote(
    id: u64,
    replaces: Option<u64>,
    membership: &Membership,
    tables: &mut Transaction<'_>,
) -> Result<SystemReply, StorageError> {
    let Some(mut row) = rows::node(tables, id)? else {
        return Ok(refused(format!("node {id} has not joined")));
    };
    match row.standing {
        Standing::Removed => return not_a_member(tables, id),
        // Asked again after it was done.
        Standing::Member => return Ok(SystemReply::Done),
        Standing::Joining => {}
    }
    if let Some(old) = replaces
        && membership.get_node(&old).is_none()
    {
        return not_a_member(tables, old);
    }
    row.promote = true;
    row.replaces = replaces.or(row.replaces);
    rows::put_node(tables, id, &row);
    Ok(SystemReply::Done)
}

fn retire(id: u64, membership: &Membership, tables: &mut Transaction<'_>) -> Result<SystemReply, StorageError> {
    if membership.voter_ids().any(|voter| voter == id) {
        return Ok(refused(format!("node {id} votes")));
    }
    let Some(mut row) = rows::node(tables, id)? else {
        return Ok(refused(format!("node {id} has not joined")));
    };
    row.standing = Standing::Removed;
    rows::put_node(tables, id, &row);
    Ok(SystemReply::Done)
}

/// Remembers what a change of membership means for ids: whoever is gone is gone for ever.
pub(crate) fn membership_changed(
    before: &Membership,
    after: &Membership,
    tables: &mut Transaction<'_>,
) -> Result<(), StorageError> {
    for (id, node) in before.nodes().filter(|(id, _)| after.get_node(id).is_none()) {
        let row = rows::node(tables, *id)?.unwrap_or_else(|| founder(node));
        let gone = NodeRow {
            standing: Standing::Removed,
            ..row
        };
        rows::put_node(tables, *id, &gone);
    }
    for (id, node) in after.nodes() {
        let votes = after.voter_ids().any(|voter| voter == *id);
        let row = rows::node(tables, *id)?;
        let member = match row {
            None => Some(founder(node)),
            Some(row) if votes && row.standing == Standing::Joining && after.get_joint_config().len() == 1 => {
                Some(NodeRow {
                    standing: Standing::Member,
                    ..row
                })
            }
            Some(_) => None,
        };
        if let Some(member) = member {
            rows::put_node(tables, *id, &member);
        }
    }
    Ok(())
}

/// A member that never joined: it was there when the cluster was formed.
fn founder(node: &crate::types::PeerNode) -> NodeRow {
    NodeRow {
        name: node.name.clone(),
        address: node.address.clone(),
        incarnation: node.incarnation,
        standing: Standing::Member,
        replaces: None,
        promote: false,
    }
}
