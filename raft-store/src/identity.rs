//! Who a data folder belongs to: cluster, node, and the folder's own identity.
//!
//! A folder of another cluster or node is refused before anything in it is read. A lost identity beside existing data
//! is never replaced: a member that forgot what it promised must not come back under its old id.

use std::fmt::Write;
use std::path::Path;

use crate::disk::Disk;
use crate::{OpenError, entropy, quarantine};

const FILE: &str = "identity";
const FIRST_LINE: &str = "tfauth data folder, format 1";
/// Of a folder whose id was given by the cluster, not by the configuration.
const FIRST_LINE_JOINED: &str = "tfauth data folder, format 2, joined";
/// The identity that a folder asks to be let in with.
pub(crate) const CANDIDATE_FILE: &str = "candidate";

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster_id: [u8; 16],
    pub(crate) node_id: u64,
    pub(crate) incarnation: [u8; 16],
}

impl Identity {
    /// Reads the identity of the folder, or gives a new folder one.
    pub(crate) fn claim(disk: &Disk, folder: &Path, cluster_id: [u8; 16], node_id: u64) -> Result<Self, OpenError> {
        match Self::settled(disk, folder, cluster_id, Some(node_id))? {
            Some(identity) => Ok(identity),
            None => {
                refuse_burned(disk, folder, node_id)?;
                Self::create(disk, folder, cluster_id, node_id)
            }
        }
    }

    /// Reads the identity of the folder, if it has one, and compares it with the configuration. An id that the cluster
    /// gave is not compared with `founder`, the configured one: the configuration may still name the id that this folder
    /// replaced.
    pub(crate) fn settled(
        disk: &Disk,
        folder: &Path,
        cluster_id: [u8; 16],
        founder: Option<u64>,
    ) -> Result<Option<Self>, OpenError> {
        quarantine::refuse_marked(disk, folder)?;
        let Some((identity, joined)) = Self::read(disk, folder)? else {
            return Ok(None);
        };
        if identity.cluster_id != cluster_id {
            return Err(OpenError::WrongCluster {
                path: folder.to_path_buf(),
                found: hex(&identity.cluster_id),
                configured: hex(&cluster_id),
            });
        }
        match founder {
            Some(configured) if !joined && identity.node_id != configured => Err(OpenError::WrongNode {
                path: folder.to_path_buf(),
                found: identity.node_id,
                configured,
            }),
            Some(_) | None => Ok(Some(identity)),
        }
    }

    /// Reads the identity of the folder; a folder without one must be empty.
    pub(crate) fn find(disk: &Disk, folder: &Path) -> Result<Option<Self>, OpenError> {
        Ok(Self::read(disk, folder)?.map(|(identity, _)| identity))
    }

    /// The identity, and whether the cluster gave it.
    fn read(disk: &Disk, folder: &Path) -> Result<Option<(Self, bool)>, OpenError> {
        let path = folder.join(FILE);
        let found = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
        if let Some(bytes) = found {
            let identity = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
            return identity
                .map(Some)
                .ok_or_else(|| OpenError::quarantine(folder, format!("{} is damaged", path.display())));
        }
        Self::must_be_new(disk, folder)?;
        Ok(None)
    }

    fn must_be_new(disk: &Disk, folder: &Path) -> Result<(), OpenError> {
        for data in ["log", "state", "guard"] {
            if disk.exists(&folder.join(data)) {
                return Err(OpenError::quarantine(
                    folder,
                    format!("it holds {data:?} but no {FILE:?} file"),
                ));
            }
        }
        Ok(())
    }

    fn create(disk: &Disk, folder: &Path, cluster_id: [u8; 16], node_id: u64) -> Result<Self, OpenError> {
        let identity = Self {
            cluster_id,
            node_id,
            incarnation: entropy::identity(),
        };
        identity.write(disk, folder, FIRST_LINE)?;
        Ok(identity)
    }

    /// Gives a new folder the id that the cluster gave, and the identity that was asked with.
    pub(crate) fn joined(
        disk: &Disk,
        folder: &Path,
        cluster_id: [u8; 16],
        node_id: u64,
        incarnation: [u8; 16],
    ) -> Result<Self, OpenError> {
        Self::must_be_new(disk, folder)?;
        let identity = Self {
            cluster_id,
            node_id,
            incarnation,
        };
        identity.write(disk, folder, FIRST_LINE_JOINED)?;
        let candidate = folder.join(CANDIDATE_FILE);
        disk.remove_file(&candidate)
            .map_err(OpenError::io("cannot remove", &candidate))?;
        Ok(identity)
    }

    /// A founding member that was in no cluster yet gives its id up, to be let in under another.
    pub(crate) fn give_up(disk: &Disk, folder: &Path) -> Result<(), OpenError> {
        // The identity goes last: until then the folder is given up again, never taken for another one.
        for data in ["log", "state"] {
            let path = folder.join(data);
            if disk.exists(&path) {
                disk.remove_folder(&path)
                    .map_err(OpenError::io("cannot remove", &path))?;
            }
        }
        for file in ["closed", "verified", "tip", "guard", FILE] {
            let path = folder.join(file);
            disk.remove_file(&path).map_err(OpenError::io("cannot remove", &path))?;
        }
        disk.sync_folder(folder).map_err(OpenError::io("cannot sync", folder))
    }

    fn write(&self, disk: &Disk, folder: &Path, first_line: &str) -> Result<(), OpenError> {
        let path = folder.join(FILE);
        disk.replace_file(&path, self.text(first_line).as_bytes())
            .map_err(OpenError::io("cannot write", &path))?;
        tracing::info!(folder = %folder.display(), incarnation = hex(&self.incarnation), "new data folder");
        Ok(())
    }

    fn text(&self, first_line: &str) -> String {
        let body = format!(
            "{first_line}\ncluster {}\nnode {}\nincarnation {}\n",
            hex(&self.cluster_id),
            self.node_id,
            hex(&self.incarnation)
        );
        let checksum = crc32c::crc32c(body.as_bytes());
        format!("{body}checksum {checksum:08x}\n")
    }

    fn parse(text: &str) -> Option<(Self, bool)> {
        let mut lines = text.lines();
        let first_line = lines.next()?;
        if ![FIRST_LINE, FIRST_LINE_JOINED].contains(&first_line) {
            return None;
        }
        let identity = Self {
            cluster_id: unhex(lines.next()?.strip_prefix("cluster ")?)?,
            node_id: lines.next()?.strip_prefix("node ")?.parse().ok()?,
            incarnation: unhex(lines.next()?.strip_prefix("incarnation ")?)?,
        };
        (identity.text(first_line) == text).then_some((identity, first_line == FIRST_LINE_JOINED))
    }
}

/// A configured id whose data folder was taken out of use here must not come back with an empty one.
fn refuse_burned(disk: &Disk, folder: &Path, node_id: u64) -> Result<(), OpenError> {
    let burned = quarantine::burned_on(disk, folder)?;
    match burned
        .into_iter()
        .find(|burned| burned.node_id.is_none_or(|id| id == node_id))
    {
        None => Ok(()),
        Some(burned) => Err(OpenError::Burned {
            path: folder.to_path_buf(),
            node_id,
            kept_in: burned.kept_in,
        }),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

pub(crate) fn unhex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_identity() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::claim(&Disk::Real, folder.path(), [1; 16], 7).unwrap();
        assert_eq!(Identity::claim(&Disk::Real, folder.path(), [1; 16], 7).unwrap(), first);
    }

    #[test]
    fn a_folder_of_another_cluster_or_node_is_refused_with_both_values() {
        let folder = tempfile::tempdir().unwrap();
        Identity::claim(&Disk::Real, folder.path(), [1; 16], 7).unwrap();
        let cluster = Identity::claim(&Disk::Real, folder.path(), [2; 16], 7)
            .unwrap_err()
            .to_string();
        assert!(
            cluster.contains(&"01".repeat(16)) && cluster.contains(&"02".repeat(16)),
            "{cluster}"
        );
        let node = Identity::claim(&Disk::Real, folder.path(), [1; 16], 8)
            .unwrap_err()
            .to_string();
        assert!(node.contains("node 7") && node.contains("node 8"), "{node}");
    }

    #[test]
    fn an_id_that_the_cluster_gave_wins_over_the_configuration() {
        let (disk, folder) = (Disk::Real, tempfile::tempdir().unwrap());
        let path = folder.path();
        assert_eq!(Identity::settled(&disk, path, [1; 16], Some(7)).unwrap(), None);
        let joined = Identity::joined(&disk, path, [1; 16], 99, [5; 16]).unwrap();
        assert_eq!(Identity::settled(&disk, path, [1; 16], Some(7)).unwrap(), Some(joined));
        assert_eq!(Identity::settled(&disk, path, [1; 16], None).unwrap(), Some(joined));
        assert!(Identity::settled(&disk, path, [2; 16], None).is_err());
    }

    #[test]
    fn a_damaged_or_missing_identity_beside_data_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Identity::claim(&Disk::Real, folder.path(), [1; 16], 7).unwrap();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap().replace("node 7", "node 8");
        std::fs::write(&path, text).unwrap();
        assert!(matches!(
            Identity::claim(&Disk::Real, folder.path(), [1; 16], 8),
            Err(OpenError::Quarantine { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        assert!(matches!(
            Identity::claim(&Disk::Real, folder.path(), [1; 16], 7),
            Err(OpenError::Quarantine { .. })
        ));
    }
}
