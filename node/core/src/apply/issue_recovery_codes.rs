//! A new set of recovery codes; the old one is void (RC-1). Only hashes of 125 random bits are kept (RC-5).

use super::decision::{Decision, Moment};
use super::outbox;
use super::sessions::{self, Acting};
use crate::command::IssueRecoveryCodes;
use crate::error::Fault;
use crate::factor::{RecoveryCode, RecoveryCodes};
use crate::limits::RECOVERY_CODES;
use crate::outbox::Notice;
use crate::policy::throttle::Throttle;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(
    moment: Moment<'_>,
    command: &IssueRecoveryCodes,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    if command.hashes.len() != RECOVERY_CODES {
        return Ok(Decision::denied(Denial::InvalidCommand {})
            .about(account.id)
            .by(session.id));
    }
    let codes = command.hashes.iter().map(|hash| RecoveryCode {
        hash: *hash,
        used_at: None,
    });
    let set = RecoveryCodes {
        account: account.id,
        created_at: moment.now,
        codes: codes.collect(),
        throttle: Throttle::default(),
    };
    put(tables, Table::RecoveryCodes, &account.id.0, &set)?;
    outbox::notify(moment, &account, Notice::RecoveryCodesIssued {}, tables)?;
    let reply = Reply::RecoveryCodesIssued { count: set.left() };
    Ok(Decision::new(reply).about(account.id).by(session.id))
}
