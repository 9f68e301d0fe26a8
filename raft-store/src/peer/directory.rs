//! What this member knows about the others: names, addresses, folders, who was removed, which versions they speak.
//!
//! The replicated membership is the truth about who belongs to the cluster; the configuration only says where to find
//! the founding members. Must not forget a removal.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};

use super::greeting::{Code, Refusal};
use crate::Versions;
use crate::cluster::rows::{NodeRow, Standing};
use crate::config::Config;
use crate::identity::{Identity, hex};
use crate::limits::FOUNDER_ID_MAX;
use crate::lives::Lives;
use crate::types::PeerNode;

/// See the module.
pub(crate) struct Directory {
    pub(crate) me: Identity,
    pub(crate) lives: Arc<Lives>,
    pub(crate) my_name: String,
    pub(crate) versions: Versions,
    suffix: String,
    configured: BTreeMap<u64, PeerNode>,
    known: RwLock<Known>,
    announced: RwLock<BTreeMap<u64, ([u8; 16], Versions)>>,
    /// What a member said when it told us that we were removed.
    removed: RwLock<Option<String>>,
}

/// What the log has told so far.
#[derive(Debug, Default)]
struct Known {
    /// The membership in effect.
    membership: BTreeMap<u64, PeerNode>,
    /// Every id that was ever given, as of the last applied entry.
    rows: BTreeMap<u64, NodeRow>,
    /// Number of applied entries.
    seen: u64,
    cluster_version: u32,
}

impl Known {
    /// Whether the entry that gave the id, if there is one, has been applied here.
    fn could_know(&self, id: u64) -> bool {
        !self.membership.is_empty() && id.saturating_sub(FOUNDER_ID_MAX) < self.seen
    }
}

impl Directory {
    pub(crate) fn new(config: &Config, me: Identity, lives: Arc<Lives>) -> Self {
        let node = |member: &crate::Member| PeerNode {
            name: member.name.clone(),
            address: member.peer_address.to_string(),
            incarnation: [0; 16],
        };
        Self {
            me,
            lives,
            my_name: config.name.clone(),
            versions: config.versions,
            suffix: config.tls.server_name_suffix.clone(),
            configured: config.members.iter().map(|member| (member.id, node(member))).collect(),
            known: RwLock::default(),
            announced: RwLock::default(),
            removed: RwLock::default(),
        }
    }

    /// Takes over what the membership in effect says.
    pub(crate) fn record(&self, membership: BTreeMap<u64, PeerNode>) {
        self.known.write().membership = membership;
    }

    /// Takes over what the tables say.
    pub(crate) fn record_rows(&self, rows: BTreeMap<u64, NodeRow>, seen: u64, cluster_version: u32) {
        self.lives
            .forget(|id| rows.get(&id).is_some_and(|row| row.standing == Standing::Removed));
        let mut known = self.known.write();
        (known.rows, known.seen, known.cluster_version) = (rows, seen, cluster_version);
    }

    pub(crate) fn cluster_version(&self) -> u32 {
        self.known.read().cluster_version
    }

    /// A member by id. Where to find a founding member is for the configuration to say, which is newer than what was
    /// recorded when the cluster was formed.
    pub(crate) fn member(&self, id: u64) -> Option<PeerNode> {
        let known = self.known.read();
        let recorded = known.membership.get(&id).cloned().or_else(|| {
            let row = known.rows.get(&id)?;
            (row.standing != Standing::Removed).then(|| PeerNode {
                name: row.name.clone(),
                address: row.address.clone(),
                incarnation: row.incarnation,
            })
        });
        match (self.configured.get(&id), recorded) {
            (Some(configured), Some(recorded)) => Some(PeerNode {
                incarnation: recorded.incarnation,
                ..configured.clone()
            }),
            (Some(configured), None) if known.membership.is_empty() => Some(configured.clone()),
            (_, recorded) => recorded,
        }
    }

    pub(crate) fn address(&self, id: u64) -> Option<SocketAddr> {
        self.member(id).and_then(|node| node.address.parse().ok())
    }

    /// Ids of the configuration, without this member.
    pub(crate) fn others(&self) -> Vec<u64> {
        let mine = self.me.node_id;
        self.configured.keys().copied().filter(|id| *id != mine).collect()
    }

    pub(crate) fn configured(&self) -> &BTreeMap<u64, PeerNode> {
        &self.configured
    }

    /// Ids and names of the configured members as one value, so that members can tell that they are configured alike.
    pub(crate) fn configured_digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (id, node) in &self.configured {
            digest.update(format!("{id} {}\n", node.name));
        }
        digest.finalize().into()
    }

    /// The name that a member's certificate has to carry.
    pub(crate) fn server_name(&self, name: &str) -> io::Result<ServerName<'static>> {
        ServerName::try_from(format!("{name}.{}", self.suffix)).map_err(io::Error::other)
    }

    /// Whether `id` is a member under this name and on this folder. An id that this member cannot know yet is taken: it
    /// was given in an entry that has not arrived here, maybe by the very member that now brings it.
    pub(crate) fn check_member(&self, id: u64, name: &str, incarnation: [u8; 16]) -> Result<(), Refusal> {
        let known = self.known.read();
        let row = known.rows.get(&id);
        if row.is_some_and(|row| row.standing == Standing::Removed) {
            let text = format!("node id {id} was removed; wipe its data folder and let the machine join anew");
            return Err(Refusal::new(Code::Removed, text));
        }
        let recorded = known.membership.get(&id);
        let of_row = row.map(|row| (row.name.as_str(), row.incarnation));
        let expected = recorded
            .map(|node| (node.name.as_str(), node.incarnation))
            .or(of_row)
            .or_else(|| match self.configured.get(&id) {
                Some(node) if known.membership.is_empty() => Some((node.name.as_str(), [0; 16])),
                Some(_) | None => None,
            });
        #[cfg(feature = "mutations")]
        let expected = expected.map(
            |(name, folder)| match mutations::on(mutations::Mutation::OldIdRejoins) {
                true => (name, [0; 16]),
                false => (name, folder),
            },
        );
        match expected {
            None if known.could_know(id) => Err(Refusal::new(Code::Unknown, format!("node {id} is not a member"))),
            None => Ok(()),
            Some((expected, _)) if expected != name => {
                let text = format!("node {id} is {expected:?} here, not {name:?}");
                Err(Refusal::new(Code::Name, text))
            }
            // A member on another folder than the one it joined with has lost what it promised.
            Some((_, folder)) if folder != [0; 16] && folder != incarnation => {
                let text = format!(
                    "{name} (node {id}) came back on data folder {}, it joined with {}; it has to join under a new id",
                    hex(&incarnation),
                    hex(&folder)
                );
                Err(Refusal::new(Code::Incarnation, text))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether the id is out for ever.
    pub(crate) fn is_removed(&self, id: u64) -> bool {
        let known = self.known.read();
        known.rows.get(&id).is_some_and(|row| row.standing == Standing::Removed)
    }

    /// Notes which versions a member speaks.
    pub(crate) fn announce(&self, id: u64, incarnation: [u8; 16], versions: Versions) {
        self.announced.write().insert(id, (incarnation, versions));
    }

    /// The versions that a member announced, this one included.
    pub(crate) fn announced(&self, id: u64, incarnation: [u8; 16]) -> Option<Versions> {
        if id == self.me.node_id {
            return Some(self.versions);
        }
        let announced = self.announced.read();
        let (folder, versions) = announced.get(&id)?;
        (*folder == incarnation || incarnation == [0; 16]).then_some(*versions)
    }

    /// A member refused us; one reason is final.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        if refusal.is(Code::Removed) && self.removed.read().is_none() {
            tracing::error!(reason = refusal.text, "this node was removed from its cluster");
            *self.removed.write() = Some(refusal.text.clone());
        }
    }

    /// Why this node will never take part again, if that is so.
    pub(crate) fn removal(&self) -> Option<String> {
        let own = self.known.read().rows.get(&self.me.node_id).map(|row| row.standing);
        let said = self.removed.read().clone();
        said.or_else(|| (own == Some(Standing::Removed)).then(|| format!("node id {} was removed", self.me.node_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::guard::Guard;
    use crate::types::PeerNode;

    fn directory() -> Directory {
        let me = Identity {
            cluster_id: [1; 16],
            node_id: 1,
            incarnation: [1; 16],
        };
        let folder = tempfile::tempdir().unwrap();
        let (guard, _) = Guard::open(&Disk::Real, folder.path(), me).unwrap();
        Directory {
            me,
            lives: Arc::new(Lives::new(Arc::new(guard), 0)),
            my_name: "node-1".into(),
            versions: Versions { min: 1, max: 1 },
            suffix: "suffix".into(),
            configured: BTreeMap::from([(3, node("node-3", 0))]),
            known: RwLock::default(),
            announced: RwLock::default(),
            removed: RwLock::default(),
        }
    }

    fn node(name: &str, folder: u8) -> PeerNode {
        PeerNode {
            name: name.into(),
            address: "127.0.0.1:1".into(),
            incarnation: [folder; 16],
        }
    }

    fn row(name: &str, folder: u8, standing: Standing) -> NodeRow {
        NodeRow {
            name: name.into(),
            address: "127.0.0.1:2".into(),
            incarnation: [folder; 16],
            standing,
            replaces: None,
            promote: false,
        }
    }

    fn code(result: Result<(), Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.code, |()| 0)
    }

    #[test]
    fn before_the_cluster_is_formed_the_configuration_counts() {
        let directory = directory();
        assert_eq!(code(directory.check_member(3, "node-3", [9; 16])), 0);
        assert_eq!(code(directory.check_member(3, "node-2", [9; 16])), Code::Name as u16);
        assert_eq!(
            code(directory.check_member(77, "node-3", [9; 16])),
            0,
            "a leader we cannot know yet"
        );
    }

    #[test]
    fn a_removed_id_stays_out_and_its_successor_is_known() {
        let directory = directory();
        directory.record(BTreeMap::from([(1057, node("node-3", 5))]));
        let rows = BTreeMap::from([
            (3, row("node-3", 3, Standing::Removed)),
            (1057, row("node-3", 5, Standing::Member)),
            (1060, row("node-4", 6, Standing::Joining)),
        ]);
        directory.record_rows(rows, 70, 2);
        assert_eq!(code(directory.check_member(3, "node-3", [3; 16])), Code::Removed as u16);
        assert_eq!(code(directory.check_member(1057, "node-3", [5; 16])), 0);
        assert_eq!(
            code(directory.check_member(1057, "node-3", [4; 16])),
            Code::Incarnation as u16
        );
        assert_eq!(code(directory.check_member(1060, "node-4", [6; 16])), 0);
        assert_eq!(
            code(directory.check_member(1060, "node-4", [7; 16])),
            Code::Incarnation as u16
        );
        assert_eq!(
            code(directory.check_member(1061, "node-4", [6; 16])),
            Code::Unknown as u16
        );
        assert_eq!(code(directory.check_member(2, "node-2", [8; 16])), Code::Unknown as u16);
        assert_eq!(
            code(directory.check_member(1071, "node-5", [8; 16])),
            0,
            "given behind what we have applied"
        );
        assert_eq!(directory.member(3), None, "nobody is to be found under a removed id");
        assert_eq!(directory.member(1060).unwrap().name, "node-4");
        assert_eq!(directory.cluster_version(), 2);
    }

    #[test]
    fn a_removal_is_remembered_and_nothing_else_is() {
        let directory = directory();
        directory.refused(&Refusal::new(Code::Unknown, "who"));
        assert_eq!(directory.removal(), None);
        directory.refused(&Refusal::new(Code::Removed, "gone"));
        assert_eq!(directory.removal().as_deref(), Some("gone"));
    }

    #[test]
    fn announced_versions_are_of_one_folder() {
        let directory = directory();
        directory.announce(2, [2; 16], Versions { min: 1, max: 4 });
        assert_eq!(directory.announced(2, [2; 16]).map(|v| v.max), Some(4));
        assert_eq!(directory.announced(2, [3; 16]), None);
        assert_eq!(directory.announced(1, [0; 16]).map(|v| v.max), Some(1));
    }
}
