//! Removes an authenticator app. The session proved itself lately, with a factor; the owner is told (US-1).

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{guess, outbox, second_factor};
use crate::account::{Account, Role};
use crate::command::RemoveTotp;
use crate::error::Fault;
use crate::outbox::Notice;
use crate::query;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &RemoveTotp, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting_fresh(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let id = account.id;
    let factors = query::factors(tables, id)?;
    let Some(factor) = factors.iter().find(|factor| factor.id == command.factor) else {
        return Ok(Decision::denied(Denial::NotFound {}).about(id).by(session.id));
    };
    let left: Vec<_> = factors.iter().filter(|other| other.id != factor.id).cloned().collect();
    let may_go = account.role != Role::Admin || query::may_administer(&account, &left, &query::policy(tables)?);
    if factor.is_bound() && !may_go {
        return Ok(Decision::denied(Denial::AdminNeedsFactor {}).about(id).by(session.id));
    }
    second_factor::remove_factor(factor, tables)?;
    if factor.is_bound() {
        outbox::notify(moment, &account, Notice::AuthenticatorRemoved {}, tables)?;
    }
    let account = Account {
        updated_at: Some(moment.now),
        ..account
    };
    guess::put_advanced(account, tables)?;
    Ok(Decision::done("factor_removed").about(id).by(session.id))
}

#[cfg(test)]
mod tests {
    use crate::account::Role;
    use crate::apply::testing::Bench;
    use crate::command::*;
    use crate::ids::{AccountId, SessionId};
    use crate::query;
    use crate::reply::{Denial, Reply};

    const NEEDS: Reply = Reply::Denied(Denial::AdminNeedsFactor {});

    fn administer(bench: &mut Bench, session: SessionId, account: AccountId, action: AdminAction) -> Reply {
        bench.run(Command::AdministerAccount(AdministerAccount {
            session,
            account,
            action,
            then: Vec::new(),
        }))
    }

    #[test]
    fn otp_12_otp_8_an_administrator_always_has_an_app_that_no_password_alone_binds() {
        let mut bench = Bench::new();
        let plain = bench.mailed_account("ana");
        assert_eq!(
            bench.run(Command::BootstrapAdmin(BootstrapAdmin { account: plain })),
            NEEDS
        );
        let (root, factor) = bench.bound_account("root");
        bench.make_admin(root);
        let session = bench.session_of(root, factor).session;
        let promote = AdminAction::SetRole { role: Role::Admin };
        assert_eq!(administer(&mut bench, session, plain, promote.clone()), NEEDS);
        assert_eq!(query::admins(&bench.tables).unwrap(), 1);
        assert_eq!(bench.run(Command::RemoveTotp(RemoveTotp { session, factor })), NEEDS);
        assert_eq!(query::factors(&bench.tables, root).unwrap().len(), 1);
        // Another administrator takes the role before the factors.
        let (ben, bens) = bench.bound_account("ben");
        assert_eq!(administer(&mut bench, session, ben, promote), Reply::Done {});
        assert_eq!(
            administer(&mut bench, session, ben, AdminAction::ResetFactors {}),
            NEEDS
        );
        let demote = AdminAction::SetRole { role: Role::User };
        assert_eq!(administer(&mut bench, session, ben, demote), Reply::Done {});
        assert_eq!(
            administer(&mut bench, session, ben, AdminAction::ResetFactors {}),
            Reply::Done {}
        );
        assert!(
            query::factors(&bench.tables, ben)
                .unwrap()
                .iter()
                .all(|row| row.id != bens)
        );
    }

    #[test]
    fn otp_8_the_password_alone_binds_nothing_to_an_administrator() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        // As a store could have it from before administrators had to have one.
        bench.change(account, |row| row.role = Role::Admin);
        assert_eq!(bench.try_enrol(account), Reply::Denied(Denial::AlreadyEnrolled {}));
        let reply = bench.sign_in(account);
        assert_eq!(reply, Reply::Denied(Denial::FactorDisabled {}));
    }
}
