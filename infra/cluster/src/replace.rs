//! What an operator does when a node has lost its disk: a token for its place, an empty folder, a start. Done with the
//! operator's own command line, as the runbook says.

use crate::error::{Error, Result};
use crate::files;
use crate::limits::{POLL, REPLACE_SECONDS_MAX};
use crate::supervisor::Supervisor;
use auth_api::cluster::{ClusterView, MemberView};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// Which id went, and which came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Refused for ever.
    pub old: u64,
    /// Of the same machine, on its new data folder.
    pub new: u64,
}

/// A place in the cluster that a machine with an empty folder may take.
#[derive(Clone, Debug)]
pub struct Place {
    name: String,
    old: u64,
    /// Data folder of a node that can be asked.
    asked: PathBuf,
}

/// Kills a node if it runs, deletes its data, lets its machine join in its place, and waits until it votes there.
///
/// # Errors
/// As [`vacate`] and [`occupy`].
pub async fn replace(supervisor: &Supervisor, name: &str) -> Result<Replaced> {
    let place = vacate(supervisor, name).await?;
    occupy(supervisor, &place).await
}

/// Kills a node if it runs, deletes its data, and leaves a token with which its machine may join in its place.
///
/// # Errors
/// There is no such node, no other node runs that could be asked, or the cluster refuses.
pub async fn vacate(supervisor: &Supervisor, name: &str) -> Result<Place> {
    let layout = supervisor.layout().clone();
    let description = supervisor.description();
    if !description.nodes.iter().any(|node| node.name == name) {
        return Err(Error::refused(format!("there is no node {name} in this cluster")));
    }
    let other = description
        .nodes
        .iter()
        .find(|node| node.name != name && node.pid.is_some());
    let other = other.ok_or_else(|| Error::refused("no other node runs that could let it in: start one"))?;
    let asked = other.data_dir.clone();
    let old = find(&members(supervisor, &asked).await?, name)
        .map(|member| member.id)
        .ok_or_else(|| Error::refused(format!("{name} is not a member of its own cluster")))?;
    if description.pid(name).is_some() {
        supervisor.kill(name).await?;
    }
    let data = layout.data(name);
    std::fs::remove_dir_all(&data).map_err(|e| Error::file("delete", &data, &e))?;
    files::folder(&data)?;
    let token = layout.join_token(name);
    let (old_text, out) = (old.to_string(), token.display().to_string());
    let arguments = ["token", "--replaces", &old_text, "--out", &out];
    ctl(supervisor, &asked, &arguments).await?;
    Ok(Place {
        name: name.to_owned(),
        old,
        asked,
    })
}

/// Starts the machine of a vacated place, and waits until it votes there.
///
/// # Errors
/// It does not start, or does not get the place in time.
pub async fn occupy(supervisor: &Supervisor, place: &Place) -> Result<Replaced> {
    supervisor.start(&place.name).await?;
    arrive(supervisor, place).await
}

/// Waits until the machine of a vacated place, which runs, votes there.
///
/// # Errors
/// It does not get the place in time.
pub async fn arrive(supervisor: &Supervisor, place: &Place) -> Result<Replaced> {
    let Place { name, old, asked } = place;
    let new = wait_for_the_place(supervisor, asked, name, *old).await?;
    let _ = std::fs::remove_file(supervisor.layout().join_token(name));
    supervisor.describe(|d| d.set_id(name, new))?;
    Ok(Replaced { old: *old, new })
}

async fn wait_for_the_place(supervisor: &Supervisor, asked: &Path, name: &str, old: u64) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(REPLACE_SECONDS_MAX);
    loop {
        let last = match members(supervisor, asked).await {
            Ok(view) => {
                let gone = !view.members.iter().any(|member| member.id == old);
                let here = find(&view, name).filter(|member| member.part == "voter").map(|m| m.id);
                match here {
                    Some(new) if gone && !view.changing => return Ok(new),
                    Some(_) | None => format!("{:?}", view.members),
                }
            }
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            return Err(Error::fault(format!(
                "{name} has not got the place of node {old} after {REPLACE_SECONDS_MAX} s: {last}"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) fn find<'a>(view: &'a ClusterView, name: &str) -> Option<&'a MemberView> {
    // While one replaces the other, both have the name: the newer one counts.
    view.members
        .iter()
        .filter(|member| member.name == name)
        .max_by_key(|member| member.id)
}

pub(crate) async fn members(supervisor: &Supervisor, asked: &Path) -> Result<ClusterView> {
    let text = ctl(supervisor, asked, &["members", "--json"]).await?;
    serde_json::from_str(&text).map_err(|e| Error::fault(format!("`tfauth cluster members --json`: {e}")))
}

/// Runs `tfauth cluster` against the node with this data folder.
pub(crate) async fn ctl(supervisor: &Supervisor, data: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(supervisor.ctl());
    command.arg("cluster").args(arguments).arg("--data").arg(data);
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| Error::file("start", supervisor.ctl(), &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(match output.status.code() {
        Some(2) => Error::refused(said),
        Some(_) | None => Error::fault(said),
    })
}
