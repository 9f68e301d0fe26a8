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
        quarantine::refuse_marked(disk, folder)?;
        let Some(identity) = Self::find(disk, folder)? else {
            refuse_burned(disk, folder, node_id)?;
            return Self::create(disk, folder, cluster_id, node_id);
        };
        if identity.cluster_id != cluster_id {
            return Err(OpenError::WrongCluster {
                path: folder.to_path_buf(),
                found: hex(&identity.cluster_id),
                configured: hex(&cluster_id),
            });
        }
        if identity.node_id != node_id {
            return Err(OpenError::WrongNode {
                path: folder.to_path_buf(),
                found: identity.node_id,
                configured: node_id,
            });
        }
        Ok(identity)
    }

    /// Reads the identity of the folder; a folder without one must be empty.
    pub(crate) fn find(disk: &Disk, folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = folder.join(FILE);
        let found = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
        if let Some(bytes) = found {
            let identity = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
            return identity
                .map(Some)
                .ok_or_else(|| OpenError::quarantine(folder, format!("{} is damaged", path.display())));
        }
        for data in ["log", "state", "guard"] {
            if disk.exists(&folder.join(data)) {
                return Err(OpenError::quarantine(
                    folder,
                    format!("it holds {data:?} but no {FILE:?} file"),
                ));
            }
        }
        Ok(None)
    }

    fn create(disk: &Disk, folder: &Path, cluster_id: [u8; 16], node_id: u64) -> Result<Self, OpenError> {
        let identity = Self {
            cluster_id,
            node_id,
            incarnation: entropy::identity(),
        };
        let path = folder.join(FILE);
        disk.replace_file(&path, identity.text().as_bytes())
            .map_err(OpenError::io("cannot write", &path))?;
        tracing::info!(folder = %folder.display(), incarnation = hex(&identity.incarnation), "new data folder");
        Ok(identity)
    }

    fn text(&self) -> String {
        let body = format!(
            "{FIRST_LINE}\ncluster {}\nnode {}\nincarnation {}\n",
            hex(&self.cluster_id),
            self.node_id,
            hex(&self.incarnation)
        );
        let checksum = crc32c::crc32c(body.as_bytes());
        format!("{body}checksum {checksum:08x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let identity = Self {
            cluster_id: unhex(lines.next()?.strip_prefix("cluster ")?)?,
            node_id: lines.next()?.strip_prefix("node ")?.parse().ok()?,
            incarnation: unhex(lines.next()?.strip_prefix("incarnation ")?)?,
        };
        (identity.text() == text).then_some(identity)
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

fn unhex(text: &str) -> Option<[u8; 16]> {
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
