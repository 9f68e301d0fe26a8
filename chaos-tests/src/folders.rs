//! Data folders of nodes from outside: copied, exchanged for an older copy, damaged; and who has which id since.

use auth_api::cluster::{ClusterView, MemberView};
use cluster_harness::cluster::Cluster;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const PAGE_BYTES: usize = 4096;

/// Copies files and folders; sockets are none of either.
///
/// # Errors
/// Something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Puts a copy of `image` in the place of `folder`.
///
/// # Errors
/// Something cannot be read or written.
pub fn exchange(folder: &Path, image: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)?;
    copy(image, folder)
}

/// Every second page of a node's log becomes zeros.
///
/// # Errors
/// There is no log.
pub fn damage_log(data: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data.join("log"))? {
        let path = entry?.path();
        let mut bytes = fs::read(&path)?;
        for page in bytes.chunks_mut(PAGE_BYTES).step_by(2) {
            page.fill(0);
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// How much of a file was ever written: segments of a log are made of zeros, long before they are filled.
///
/// # Errors
/// It cannot be read.
pub fn written(path: &Path) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let last = bytes.iter().rposition(|byte| *byte != 0);
    Ok(last.map_or(0, |last| last as u64 + 1))
}

/// The members as a node sees them, asked as an operator asks.
///
/// # Errors
/// It does not answer.
pub fn members(cluster: &Cluster, asked: &str) -> Result<ClusterView, String> {
    let output = Command::new(cluster.members().ctl())
        .args(["cluster", "members", "--json", "--data"])
        .arg(cluster.layout().data(asked))
        .output()
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {output:?}"))
}

/// The id that a node has now; while one replaces the other, both have the name, and the newer one counts.
#[must_use]
pub fn id_of<'a>(view: &'a ClusterView, name: &str) -> Option<&'a MemberView> {
    let named = view.members.iter().filter(|member| member.name == name);
    named.max_by_key(|member| member.id)
}
