//! Replaces the policy, if nobody else did since it was read.

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use crate::command::SetPolicy;
use crate::error::Fault;
use crate::policy::Policy;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &SetPolicy, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_admin(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let by_actor = |reply| {
        let mut decision = Decision::new(reply).by(session.id);
        decision.trace.actor = Some(account.id);
        Ok(decision)
    };
    let version = query::policy(tables)?.version;
    if version != command.expected_version {
        return by_actor(Reply::Denied(Denial::VersionConflict { version }));
    }
    if !command.policy.is_valid() {
        return by_actor(Reply::Denied(Denial::InvalidPolicy {}));
    }
    let policy = Policy {
        version: version.saturating_add(1),
        ..command.policy.clone()
    };
    put(tables, Table::Meta, query::POLICY_KEY, &policy)?;
    by_actor(Reply::PolicySet {
        version: policy.version,
    })
}
