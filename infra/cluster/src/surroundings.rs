//! What a cluster is put into, beside its size: where its mail goes, through which ports its members reach each other, what
//! a password hash costs. Not stored: the caller says it at each start.

use crate::config::Mail;
use std::collections::BTreeMap;

/// Everything of it. By default members reach each other directly and mails go into a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How nodes deliver mail.
    pub mail: Mail,
    /// What lies between members.
    pub wiring: Wiring,
    /// Cost of a password hash; the node's own default when not given.
    pub hashing: Option<HashingCost>,
}

/// Cost of Argon2id. A node refuses what is weaker than OWASP's minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingCost {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

/// Ports of 127.0.0.1 that stand for a member, seen by another: a test puts proxies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    routes: BTreeMap<(String, String), u16>,
    advertised: BTreeMap<String, u16>,
}

impl From<Mail> for Surroundings {
    fn from(mail: Mail) -> Self {
        Self {
            mail,
            ..Self::default()
        }
    }
}

impl Wiring {
    /// From now on `from` reaches `to` at this port.
    pub fn lead(&mut self, from: &str, to: &str, port: u16) {
        self.routes.insert((from.to_owned(), to.to_owned()), port);
    }

    /// What a node calls its own address when it joins, for members that have no route of their own to it.
    pub fn advertise(&mut self, name: &str, port: u16) {
        self.advertised.insert(name.to_owned(), port);
    }

    /// At which port `from` reaches `to`, whose own listener is at `listener`.
    #[must_use]
    pub fn port(&self, from: &str, to: &str, listener: u16) -> u16 {
        let route = (from.to_owned(), to.to_owned());
        self.routes.get(&route).copied().unwrap_or(listener)
    }

    /// What a node calls its own address, if that is not its listener.
    #[must_use]
    pub fn advertised(&self, name: &str) -> Option<u16> {
        self.advertised.get(name).copied()
    }
}
