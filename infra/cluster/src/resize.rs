//! Fewer nodes, and more again, with the operator's own command line, as the runbook says. Which node goes and which comes is
//! decided elsewhere.

use crate::error::{Error, Result};
use crate::files;
use crate::limits::{POLL, REPLACE_SECONDS_MAX};
use crate::replace::{ctl, find, members};
use crate::supervisor::Supervisor;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Removes a node from the cluster for ever, stops it and deletes its data; its old id.
///
/// # Errors
/// There is no such member, no other node runs that could be asked, or the cluster refuses.
pub async fn remove(supervisor: &Supervisor, name: &str) -> Result<u64> {
    let asked = other(supervisor, name)?;
    let id = find(&members(supervisor, &asked).await?, name)
        .map(|member| member.id)
        .ok_or_else(|| Error::refused(format!("{name} is no member")))?;
    ctl(supervisor, &asked, &["remove", &id.to_string()]).await?;
    supervisor.reap().await?;
    if supervisor.description().pid(name).is_some() {
        supervisor.kill(name).await?;
    }
    let data = supervisor.layout().data(name);
    std::fs::remove_dir_all(&data).map_err(|e| Error::file("delete", &data, &e))?;
    files::folder(&data)?;
    Ok(id)
}

/// Lets the machine of a removed node join as a new one, and gives it a vote; its new id.
///
/// # Errors
/// It does not start, or has no vote in time.
pub async fn add(supervisor: &Supervisor, name: &str) -> Result<u64> {
    let asked = other(supervisor, name)?;
    let token = supervisor.layout().join_token(name);
    let out = token.display().to_string();
    ctl(supervisor, &asked, &["token", "--out", &out]).await?;
    supervisor.start(name).await?;
    let id = wait_for_a_vote(supervisor, &asked, name).await?;
    let _ = std::fs::remove_file(&token);
    supervisor.describe(|description| description.set_id(name, id))?;
    Ok(id)
}

async fn wait_for_a_vote(supervisor: &Supervisor, asked: &Path, name: &str) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(REPLACE_SECONDS_MAX);
    let mut last = String::new();
    while Instant::now() < deadline {
        match members(supervisor, asked).await {
            Ok(view) => match find(&view, name).map(|member| (member.id, member.part.as_str())) {
                Some((id, "voter")) if !view.changing => return Ok(id),
                // Refused until it has caught up, and while another change is open.
                Some((id, "learner")) => match ctl(supervisor, asked, &["add-voter", &id.to_string()]).await {
                    Ok(_) => {}
                    Err(error) => last = error.to_string(),
                },
                Some(_) | None => last = format!("{:?}", view.members),
            },
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(POLL).await;
    }
    Err(Error::fault(format!(
        "{name} has no vote after {REPLACE_SECONDS_MAX} s: {last}"
    )))
}

/// Data folder of another node that runs.
fn other(supervisor: &Supervisor, name: &str) -> Result<PathBuf> {
    let description = supervisor.description();
    let mut others = description.nodes.iter();
    others
        .find(|node| node.name != name && node.pid.is_some())
        .map(|node| node.data_dir.clone())
        .ok_or_else(|| Error::refused("no other node runs that could be asked: start one"))
}
