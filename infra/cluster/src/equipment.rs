//! What a member is started with beside its configuration. Changes count from its next start on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of one member. By default it is started as everybody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equipment {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Another program than the cluster's.
    pub program: Option<PathBuf>,
}

/// Of all members.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<BTreeMap<String, Equipment>>);

impl Store {
    pub(crate) fn set(&self, name: &str, equipment: Equipment) {
        self.all().insert(name.to_owned(), equipment);
    }

    pub(crate) fn of(&self, name: &str) -> Equipment {
        self.all().get(name).cloned().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Equipment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
