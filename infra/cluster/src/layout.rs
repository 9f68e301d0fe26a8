//! Where everything of one cluster lies. Paths only; nothing is read or written here.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The folder of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The folder need not exist yet.
    ///
    /// # Errors
    /// Refuses an empty path.
    pub fn new(dir: &Path) -> Result<Self> {
        let root = std::path::absolute(dir).map_err(|e| Error::refused(format!("--dir {}: {e}", dir.display())))?;
        // Symbolic links are resolved when the folder exists, so that one folder has one name in command lines.
        Ok(Self {
            root: root.canonicalize().unwrap_or(root),
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What runs, for people and programs.
    #[must_use]
    pub fn description(&self) -> PathBuf {
        self.root.join("cluster.json")
    }

    /// Size and ports, fixed when the cluster is made.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// Exists once the first login succeeded.
    #[must_use]
    pub fn enrolled_mark(&self) -> PathBuf {
        self.root.join("enrolled")
    }

    /// Held locked by the process that supervises the cluster.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Process id of the supervisor.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.root.join("supervisor.pid")
    }

    /// Output of a supervisor in the background.
    #[must_use]
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// Certificates and keys.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The throw-away authority.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.tls().join("ca.pem")
    }

    /// Certificate of `name`: a node, a load balancer, or `localhost`.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.tls().join(format!("{name}.pem"))
    }

    /// Key of `name`.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.tls().join(format!("{name}.key"))
    }

    /// The key ring, shared by the nodes.
    #[must_use]
    pub fn key_ring(&self) -> PathBuf {
        self.root.join("keyring.toml")
    }

    /// Mails that nodes would have sent.
    #[must_use]
    pub fn mail(&self) -> PathBuf {
        self.root.join("mail")
    }

    /// Folder of one process.
    #[must_use]
    pub fn member(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Data of one node.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.member(name).join("data")
    }

    /// Token with which one node joins, while it is needed.
    #[must_use]
    pub fn join_token(&self, name: &str) -> PathBuf {
        self.member(name).join("join-token")
    }

    /// Configuration of one process.
    #[must_use]
    pub fn config(&self, name: &str) -> PathBuf {
        self.member(name).join("config.toml")
    }

    /// Output of one process.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.member(name).join(format!("{name}.log"))
    }
}
