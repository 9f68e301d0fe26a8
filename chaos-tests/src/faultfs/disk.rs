//! The tree of files and folders, and what a power loss makes of it. Pure: no clock, no FUSE, chance from given dice.
//!
//! Names are kept twice, like bytes: as programs see them, and as fsyncs of folders have made them durable.

use super::content::{Content, Fate};
use crate::entropy::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

/// The number of the folder at the top.
pub const ROOT: u64 = 1;

/// Why something cannot be done; each is one errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `ENOENT`
    Missing,
    /// `EEXIST`
    Exists,
    /// `ENOTDIR`
    NotFolder,
    /// `EISDIR`
    IsFolder,
    /// `ENOTEMPTY`
    NotEmpty,
    /// `ESTALE`: the number is from before a power loss.
    Stale,
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub enum Kind {
    /// With bytes.
    File(Content),
    /// With names.
    Folder(BTreeMap<OsString, u64>),
    /// The name of a Unix socket.
    Socket,
}

/// One of them, with its permissions.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    opens: u32,
}

/// One name that points elsewhere than before, or nowhere.
#[derive(Clone, Debug)]
struct Edit {
    folder: u64,
    name: OsString,
    to: Option<u64>,
}

/// What a power loss took and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ruins {
    /// Changes of bytes or lengths that no fsync had covered.
    pub changes_at_risk: u64,
    /// Changes of names that no fsync of their folder had covered.
    pub names_at_risk: u64,
    /// Those of them that are lost.
    pub names_lost: u64,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    nodes: BTreeMap<u64, Node>,
    durable_names: BTreeMap<u64, BTreeMap<OsString, u64>>,
    /// In order; a rename is two edits that hold together.
    pending_names: Vec<Vec<Edit>>,
    next: u64,
}

impl Default for Disk {
    fn default() -> Self {
        let root = Node {
            kind: Kind::Folder(BTreeMap::new()),
            mode: 0o755,
            opens: 0,
        };
        Self {
            nodes: [(ROOT, root)].into(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            next: ROOT + 1,
        }
    }
}

impl Disk {
    /// A node by its number.
    ///
    /// # Errors
    /// The number is of another life of the disk.
    pub fn node(&self, number: u64) -> Result<&Node, Refusal> {
        self.nodes.get(&number).ok_or(Refusal::Stale)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// It is none.
    pub fn file(&mut self, number: u64) -> Result<&mut Content, Refusal> {
        match &mut self.nodes.get_mut(&number).ok_or(Refusal::Stale)?.kind {
            Kind::File(content) => Ok(content),
            Kind::Folder(_) | Kind::Socket => Err(Refusal::IsFolder),
        }
    }

    /// The names in a folder.
    ///
    /// # Errors
    /// It is none.
    pub fn names(&self, folder: u64) -> Result<&BTreeMap<OsString, u64>, Refusal> {
        match &self.node(folder)?.kind {
            Kind::Folder(names) => Ok(names),
            Kind::File(_) | Kind::Socket => Err(Refusal::NotFolder),
        }
    }

    /// The node of a name.
    ///
    /// # Errors
    /// There is no such name.
    pub fn lookup(&self, folder: u64, name: &OsStr) -> Result<u64, Refusal> {
        self.names(folder)?.get(name).copied().ok_or(Refusal::Missing)
    }

    /// A new, empty file, folder or socket under a name.
    ///
    /// # Errors
    /// The name is taken.
    pub fn create(&mut self, folder: u64, name: &OsStr, kind: Kind, mode: u16) -> Result<u64, Refusal> {
        if self.names(folder)?.contains_key(name) {
            return Err(Refusal::Exists);
        }
        let number = self.next;
        self.next += 1;
        let node = Node { kind, mode, opens: 0 };
        self.nodes.insert(number, node);
        self.rename_all(vec![edit(folder, name, Some(number))]);
        Ok(number)
    }

    /// Removes the name of a file, or of a folder that is empty.
    ///
    /// # Errors
    /// It is not there, or not what is to be removed.
    pub fn remove(&mut self, folder: u64, name: &OsStr, is_folder: bool) -> Result<(), Refusal> {
        let number = self.lookup(folder, name)?;
        match (&self.node(number)?.kind, is_folder) {
            (Kind::Folder(names), true) if !names.is_empty() => return Err(Refusal::NotEmpty),
            (Kind::Folder(_), false) => return Err(Refusal::IsFolder),
            (Kind::File(_) | Kind::Socket, true) => return Err(Refusal::NotFolder),
            (Kind::Folder(_), true) | (Kind::File(_) | Kind::Socket, false) => {}
        }
        self.rename_all(vec![edit(folder, name, None)]);
        Ok(())
    }

    /// Moves a name, replacing what was there unless that is forbidden or a folder with something in it.
    ///
    /// # Errors
    /// There is nothing to move, or the new name is taken.
    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), replace: bool) -> Result<(), Refusal> {
        let moved = self.lookup(from.0, from.1)?;
        if let Ok(replaced) = self.lookup(to.0, to.1) {
            if !replace {
                return Err(Refusal::Exists);
            }
            if let Kind::Folder(names) = &self.node(replaced)?.kind
                && !names.is_empty()
            {
                return Err(Refusal::NotEmpty);
            }
        }
        self.rename_all(vec![edit(from.0, from.1, None), edit(to.0, to.1, Some(moved))]);
        Ok(())
    }

    /// Sets permission bits.
    ///
    /// # Errors
    /// The number is stale.
    pub fn set_mode(&mut self, number: u64, mode: u16) -> Result<(), Refusal> {
        self.nodes.get_mut(&number).ok_or(Refusal::Stale)?.mode = mode;
        Ok(())
    }

    /// Somebody opened it: its bytes stay although its name may go.
    ///
    /// # Errors
    /// The number is stale.
    pub fn open(&mut self, number: u64) -> Result<(), Refusal> {
        self.nodes.get_mut(&number).ok_or(Refusal::Stale)?.opens += 1;
        Ok(())
    }

    /// Somebody closed it.
    pub fn close(&mut self, number: u64) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.forget_nameless();
    }

    /// An fsync of a folder: every pending change of a name in it, and what hangs together with those.
    pub fn sync_folder(&mut self, folder: u64) {
        let mut folders = BTreeSet::from([folder]);
        loop {
            let before = folders.len();
            for edits in &self.pending_names {
                if edits.iter().any(|e| folders.contains(&e.folder)) {
                    folders.extend(edits.iter().map(|e| e.folder));
                }
            }
            if folders.len() == before {
                break;
            }
        }
        let touches = |edits: &Vec<Edit>| edits.iter().any(|e| folders.contains(&e.folder));
        let (now, later) = std::mem::take(&mut self.pending_names).into_iter().partition(touches);
        self.pending_names = later;
        let now: Vec<Vec<Edit>> = now;
        now.iter().for_each(|edits| self.make_durable(edits));
        self.forget_nameless();
    }

    /// Bytes that programs see, in all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let sizes = self.nodes.values().map(|node| match &node.kind {
            Kind::File(content) => content.live().len() as u64,
            Kind::Folder(_) | Kind::Socket => 0,
        });
        sizes.sum()
    }

    /// The power went, and is back: what is left is all there is, under new numbers.
    pub fn lose_power(&mut self, dice: &mut Dice) -> Ruins {
        let keep_names_percent = [0, 50, 90, 100][dice.index(4)];
        let mut ruins = Ruins::default();
        for edits in std::mem::take(&mut self.pending_names) {
            ruins.names_at_risk += 1;
            if dice.percent(keep_names_percent) {
                self.make_durable(&edits);
            } else {
                ruins.names_lost += 1;
            }
        }
        let fate = some_fate(dice);
        let old = std::mem::take(&mut self.nodes);
        let names = std::mem::take(&mut self.durable_names);
        self.rebuild(ROOT, ROOT, &old, &names, &mut (fate, dice, &mut ruins));
        ruins
    }

    fn rebuild(
        &mut self,
        old_number: u64,
        number: u64,
        old: &BTreeMap<u64, Node>,
        names: &BTreeMap<u64, BTreeMap<OsString, u64>>,
        loss: &mut (Fate, &mut Dice, &mut Ruins),
    ) {
        let Some(node) = old.get(&old_number) else {
            return;
        };
        let kind = match &node.kind {
            Kind::File(content) => {
                loss.2.changes_at_risk += content.pending() as u64;
                Kind::File(content.after_power_loss(loss.0, loss.1))
            }
            Kind::Folder(_) => {
                let mut left = BTreeMap::new();
                for (name, child) in names.get(&old_number).into_iter().flatten() {
                    let new = self.next;
                    self.next += 1;
                    self.rebuild(*child, new, old, names, loss);
                    left.insert(name.clone(), new);
                }
                self.durable_names.insert(number, left.clone());
                Kind::Folder(left)
            }
            Kind::Socket => Kind::Socket,
        };
        let node = Node {
            kind,
            mode: node.mode,
            opens: 0,
        };
        self.nodes.insert(number, node);
    }

    /// Changes names as one, for programs at once and on the disk later.
    fn rename_all(&mut self, edits: Vec<Edit>) {
        for edit in &edits {
            if let Some(Node {
                kind: Kind::Folder(names),
                ..
            }) = self.nodes.get_mut(&edit.folder)
            {
                point(names, edit);
            }
        }
        self.pending_names.push(edits);
        self.forget_nameless();
    }

    fn make_durable(&mut self, edits: &[Edit]) {
        for edit in edits {
            point(self.durable_names.entry(edit.folder).or_default(), edit);
        }
    }

    /// Frees what no name leads to, neither now nor after a power loss, and nobody has open.
    fn forget_nameless(&mut self) {
        let mut needed = BTreeSet::from([ROOT]);
        for node in self.nodes.values() {
            if let Kind::Folder(names) = &node.kind {
                needed.extend(names.values());
            }
        }
        needed.extend(self.durable_names.values().flat_map(BTreeMap::values));
        needed.extend(self.pending_names.iter().flatten().filter_map(|e| e.to));
        self.nodes
            .retain(|number, node| needed.contains(number) || node.opens > 0);
        let nodes = &self.nodes;
        self.durable_names.retain(|folder, _| nodes.contains_key(folder));
    }
}

fn edit(folder: u64, name: &OsStr, to: Option<u64>) -> Edit {
    Edit {
        folder,
        name: name.to_owned(),
        to,
    }
}

fn point(names: &mut BTreeMap<OsString, u64>, edit: &Edit) {
    match edit.to {
        Some(number) => names.insert(edit.name.clone(), number),
        None => names.remove(&edit.name),
    };
}

fn some_fate(dice: &mut Dice) -> Fate {
    match dice.within(0..=9) {
        0 | 1 => Fate::Nothing,
        2 => Fate::Everything,
        _ => Fate::Pages {
            torn_percent: dice.within(0..=60),
        },
    }
}
