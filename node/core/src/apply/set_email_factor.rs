//! Makes mailed codes an account's second factor, or takes that back. Only for an address that is proven (RC-4).

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{guess, outbox};
use crate::account::Account;
use crate::command::SetEmailFactor;
use crate::error::Fault;
use crate::outbox::Notice;
use crate::policy::throttle::Throttle;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &SetEmailFactor, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let id = account.id;
    if account.email_factor_since.is_some() == command.enabled {
        return Ok(Decision::done("email_factor_kept").about(id).by(session.id));
    }
    if command.enabled && !account.is_email_confirmed() {
        return Ok(Decision::denied(Denial::AddressUnconfirmed {}).about(id).by(session.id));
    }
    let (notice, outcome) = if command.enabled {
        (Notice::EmailFactorEnabled {}, "email_factor_enabled")
    } else {
        (Notice::EmailFactorDisabled {}, "email_factor_disabled")
    };
    outbox::notify(moment, &account, notice, tables)?;
    let account = Account {
        email_factor_since: command.enabled.then_some(moment.now),
        mailed_throttle: Throttle::default(),
        updated_at: Some(moment.now),
        ..account
    };
    guess::put_advanced(account, tables)?;
    Ok(Decision::done(outcome).about(id).by(session.id))
}
