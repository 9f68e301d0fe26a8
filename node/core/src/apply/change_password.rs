//! A new password in place of the current one, which was right. Other sessions end (PW-9).

use super::account_rows;
use super::decision::{Decision, Moment};
use super::guess;
use super::sessions::{self, Acting};
use super::standing::Standing;
use crate::command::ChangePassword;
use crate::error::Fault;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &ChangePassword, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return Ok(Decision::denied(Denial::SessionRevoked {}).by(session.id));
    };
    let blocked_until = standing.password_blocked_until(moment.now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision.by(session.id));
    }
    standing.settle(moment, tables)?;
    // A device token that was copied has ended the sessions of its device: the one that asks may be among them.
    if let Err(denial) = sessions::acting(moment, session.id, tables)? {
        return Ok(Decision::denied(denial).about(account.id).by(session.id));
    }
    let but = Some(session.id);
    account_rows::set_password(moment, &mut standing.account, &command.password, but, tables)?;
    guess::put_advanced(standing.account, tables)?;
    Ok(Decision::done("password_changed").about(account.id).by(session.id))
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted, password};
    use crate::command::*;
    use crate::limits::DEVICE_GRACE_SECONDS;
    use crate::outbox::Notice;
    use crate::query;
    use crate::reply::{Denial, Reply};

    #[test]
    fn a_session_that_its_copied_device_token_ends_changes_no_password() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let other = bench.plain_session(account).session;
        let first = bench.remember_device(account);
        let session = granted(bench.sign_in(account)).session;
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.notices();
        bench.show_device(first);
        let before = bench.account(account);
        let change = |bench: &mut Bench, session| {
            let base_seq = bench.account(account).auth_seq;
            bench.run(Command::ChangePassword(ChangePassword {
                session,
                base_seq,
                password: password(true),
            }))
        };
        assert_eq!(
            change(&mut bench, session),
            Reply::Denied(Denial::SessionRevoked {}),
            "whoever copied the token ends with it"
        );
        assert_eq!(bench.notices(), [Notice::DeviceTokenCopied {}]);
        assert_eq!(bench.account(account), before);
        let row = query::session(&bench.tables, session).unwrap().unwrap();
        assert_eq!(row.revoked_at, Some(bench.now));
        // The other session, which the device had nothing to do with, may.
        assert_eq!(change(&mut bench, other), Reply::Done {});
    }
}
