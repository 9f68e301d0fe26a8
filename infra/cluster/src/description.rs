//! `cluster.json`: what runs, for people, scripts and tests. Kept true while the cluster runs, replaced in one step.

use crate::config;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// One per load balancer.
    pub urls: Vec<String>,
    /// Certificate of the authority to trust.
    pub ca: PathBuf,
    /// Where mails lie that would have been sent.
    pub mail_dir: PathBuf,
    /// The first account; null until it exists.
    pub admin: Option<Admin>,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
    /// The load balancers.
    pub lbs: Vec<LbEntry>,
}

/// Credentials of the first account of a throw-away cluster.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// Name to log in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Password.
    pub password: String,
    /// Seed of the second factor, base32; null until it is enrolled.
    pub totp_secret: Option<String>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// As in configuration and certificates.
    pub name: String,
    /// In the replicated membership.
    pub id: u64,
    /// Null while it is down.
    pub pid: Option<u32>,
    /// Operations listener.
    pub ops: String,
    /// What survives a kill.
    pub data_dir: PathBuf,
    /// Its output.
    pub log: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
}

/// One load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LbEntry {
    /// As in configuration.
    pub name: String,
    /// Null while it is down.
    pub pid: Option<u32>,
    /// Operations listener.
    pub ops: String,
    /// Its output.
    pub log: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Description {
    /// Of a cluster that does not run yet.
    ///
    /// # Errors
    /// The stored base port is out of range.
    pub fn new(layout: &Layout, settings: &Settings) -> Result<Self> {
        let ports = settings.ports()?;
        let nodes = (1..).zip(settings.node_names()).map(|(i, name)| NodeEntry {
            id: u64::from(i),
            pid: None,
            ops: format!("http://127.0.0.1:{}", ports.node_ops(i)),
            data_dir: layout.data(&name),
            log: layout.log(&name),
            config: layout.config(&name),
            name,
        });
        let lbs = (1..).zip(settings.lb_names()).map(|(i, name)| LbEntry {
            pid: None,
            ops: format!("http://127.0.0.1:{}", ports.lb_ops(i)),
            log: layout.log(&name),
            config: layout.config(&name),
            name,
        });
        Ok(Self {
            urls: config::urls(settings)?,
            ca: layout.ca(),
            mail_dir: layout.mail(),
            admin: None,
            nodes: nodes.collect(),
            lbs: lbs.collect(),
        })
    }

    /// The file in the folder, if there is one.
    ///
    /// # Errors
    /// It cannot be read or is not ours.
    pub fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.description();
        let Some(text) = files::read(&path)? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|e| {
            Error::refused(format!(
                "{} is damaged ({e}): start anew with --fresh, which deletes its data",
                path.display()
            ))
        })
    }

    /// Like [`Description::load`], for commands that need a cluster.
    ///
    /// # Errors
    /// Refuses a folder without one.
    pub fn require(layout: &Layout) -> Result<Self> {
        Self::load(layout)?.ok_or_else(|| {
            let dir = layout.root().display();
            Error::refused(format!(
                "there is no cluster in {dir}: start one with `infra/dev up --dir {dir}`, or name its folder with --dir"
            ))
        })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|e| Error::fault(format!("cannot write cluster.json: {e}")))?;
        text.push('\n');
        files::write(&layout.description(), text.as_bytes())
    }

    /// Names of all members, nodes first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|n| n.name.clone())
            .chain(self.lbs.iter().map(|l| l.name.clone()))
            .collect()
    }

    /// The process id of a member.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let node = self.nodes.iter().find(|n| n.name == name).and_then(|n| n.pid);
        node.or_else(|| self.lbs.iter().find(|l| l.name == name).and_then(|l| l.pid))
    }

    /// Notes the id that the cluster gave to a node.
    pub fn set_id(&mut self, name: &str, id: u64) {
        for node in self.nodes.iter_mut().filter(|n| n.name == name) {
            node.id = id;
        }
    }

    /// Notes the process id of a member.
    pub fn set_pid(&mut self, name: &str, pid: Option<u32>) {
        for node in self.nodes.iter_mut().filter(|n| n.name == name) {
            node.pid = pid;
        }
        for lb in self.lbs.iter_mut().filter(|l| l.name == name) {
            lb.pid = pid;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Wish;

    #[test]
    fn the_file_has_the_documented_shape() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let mut made = Description::new(&layout, &Settings::fresh(Wish::default()).unwrap()).unwrap();
        made.set_pid("node-2", Some(42));
        made.save(&layout).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(layout.description()).unwrap()).unwrap();
        assert_eq!(
            json["urls"],
            serde_json::json!(["https://localhost:8443", "https://localhost:8444"])
        );
        assert_eq!(json["nodes"][0]["ops"], "http://127.0.0.1:7301");
        assert_eq!(json["nodes"][1]["pid"], 42);
        assert_eq!(json["nodes"][0]["pid"], serde_json::Value::Null);
        assert_eq!(json["lbs"][1]["name"], "lb-2");
        assert_eq!(json["lbs"][0]["ops"], "http://127.0.0.1:8301");
        for key in ["ca", "mail_dir"] {
            assert!(json[key].is_string(), "{key}");
        }
        for key in ["id", "data_dir", "log", "config"] {
            assert!(!json["nodes"][2][key].is_null(), "{key}");
        }
        assert_eq!(Description::load(&layout).unwrap(), Some(made));
    }

    #[test]
    fn cr_4_debug_of_the_first_account_is_silent() {
        let admin = Admin {
            username: "admin".into(),
            email: "a@b".into(),
            password: "hunter2".into(),
            totp_secret: Some("SEED".into()),
        };
        let shown = format!("{admin:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("SEED"), "{shown}");
    }

    #[test]
    fn a_folder_without_a_cluster_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Description::require(&Layout::new(dir.path()).unwrap()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("infra/dev up"), "{error}");
    }
}
