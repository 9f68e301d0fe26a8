//! Makes the first administrator: for the operator, only while there is none, and of an account with an
//! authenticator app.

use super::administer_account;
use super::decision::{Decision, Moment};
use super::guess;
use crate::account::{Account, Role};
use crate::command::BootstrapAdmin;
use crate::error::Fault;
use crate::query;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &BootstrapAdmin, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let denied = |denial| Ok(Decision::denied(denial).about(command.account));
    if query::admins(tables)? > 0 {
        return denied(Denial::AdminExists {});
    }
    let Some(account) = query::account(tables, command.account)? else {
        return denied(Denial::AccountGone {});
    };
    if !administer_account::may_administer(&account, tables)? {
        return denied(Denial::AdminNeedsFactor {});
    }
    if let Some(denial) = administer_account::count_role(&account, Role::Admin, tables)? {
        return denied(denial);
    }
    let account = Account {
        role: Role::Admin,
        status: crate::account::AccountStatus::Active,
        updated_at: Some(moment.now),
        ..account
    };
    guess::put_advanced(account, tables)?;
    Ok(Decision::done("first_admin_made").about(command.account))
}
