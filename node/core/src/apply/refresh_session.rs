//! Rotates the tokens of a session. The immediate predecessor gets the same successor for a short while, because an
//! answer can be lost; anything else that comes back was copied, and ends the session (RT-1, RT-2).

use super::decision::{Decision, Moment};
use super::sessions;
use crate::account::Account;
use crate::command::RefreshSession;
use crate::error::Fault;
use crate::limits::REFRESH_GRACE_SECONDS;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::session::Session;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Name in the audit of a refresh token that came back.
const TOKEN_REUSED: &str = "refresh_token_reused";

pub(super) fn apply(moment: Moment<'_>, command: &RefreshSession, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let revoked = Decision::denied(Denial::SessionRevoked {});
    let Some(session) = query::session(tables, command.session)? else {
        return Ok(revoked);
    };
    let account = session.account;
    let may_log_in = query::account(tables, account)?
        .as_ref()
        .is_some_and(Account::is_active);
    if !session.is_live(now) || !may_log_in {
        return Ok(revoked.about(account));
    }
    let (session, decision) = match presented(&session, command.generation, now) {
        Presented::Current { next } => {
            let session = Session {
                generation: next,
                rotated_at: now,
                ..session
            };
            let grant = session.grant();
            (session, Decision::new(Reply::SessionRefreshed(grant)))
        }
        Presented::Predecessor => return Ok(Decision::new(Reply::SessionRefreshed(session.grant())).about(account)),
        Presented::Reused => {
            sessions::end(now, session, tables)?;
            return Ok(revoked.known_as(TOKEN_REUSED).about(account));
        }
    };
    put(tables, Table::Sessions, &session.id.0, &session)?;
    Ok(decision.about(account))
}

enum Presented {
    /// The live generation, and the one that follows it.
    Current { next: u32 },
    /// The one before it, within the grace.
    Predecessor,
    /// Any other: older, after the grace, or never given out.
    Reused,
}

fn presented(session: &Session, generation: u32, now: Timestamp) -> Presented {
    let in_grace = now <= session.rotated_at.plus_seconds(REFRESH_GRACE_SECONDS);
    // Generations count from 1: nothing precedes the first.
    let predecessor = session.generation.checked_sub(1).filter(|before| *before > 0);
    #[cfg(feature = "mutations")]
    let predecessor = predecessor.map(|before| match mutations::on(mutations::Mutation::GraceForOlder) {
        true => before.min(generation),
        false => before,
    });
    match session.generation.checked_add(1) {
        Some(next) if generation == session.generation => Presented::Current { next },
        Some(_) | None if in_grace && predecessor == Some(generation) => Presented::Predecessor,
        Some(_) | None => Presented::Reused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountStatus;
    use crate::apply::testing::{Bench, id};
    use crate::command::Command;
    use crate::ids::SessionId;
    use crate::reply::SessionGrant;

    const REVOKED: Reply = Reply::Denied(Denial::SessionRevoked {});

    fn refresh(bench: &mut Bench, session: SessionId, generation: u32) -> Reply {
        bench.run(Command::RefreshSession(RefreshSession { session, generation }))
    }

    fn logged_in() -> (Bench, SessionGrant) {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let step = bench.step();
        let reply = bench.log_in(account, Some((factor, Some(step))));
        let Reply::SessionStarted(grant) = reply else {
            panic!("{reply:?}")
        };
        (bench, grant)
    }

    #[test]
    fn rt_1_a_rotated_token_that_comes_back_ends_the_session() {
        let (mut bench, first) = logged_in();
        bench.wait(100);
        let second = SessionGrant {
            generation: 2,
            issued_at: bench.now,
            ..first
        };
        assert_eq!(refresh(&mut bench, first.session, 1), Reply::SessionRefreshed(second));
        bench.wait(REFRESH_GRACE_SECONDS + 1);
        assert_eq!(refresh(&mut bench, first.session, 1), REVOKED);
        assert_eq!(
            refresh(&mut bench, first.session, 2),
            REVOKED,
            "the newest token is dead too"
        );
        assert_eq!(
            query::session(&bench.tables, first.session)
                .unwrap()
                .unwrap()
                .revoked_at,
            Some(bench.now)
        );
    }

    #[test]
    fn rt_2_the_predecessor_gets_the_same_successor_within_the_grace() {
        let (mut bench, first) = logged_in();
        bench.wait(100);
        let second = refresh(&mut bench, first.session, 1);
        bench.wait(REFRESH_GRACE_SECONDS);
        let repeated = refresh(&mut bench, first.session, 1);
        assert_eq!(repeated.encode(), second.encode(), "equal bytes");
    }

    #[test]
    fn rt_2_two_generations_back_ends_the_session_even_within_the_grace() {
        let (mut bench, first) = logged_in();
        refresh(&mut bench, first.session, 1);
        refresh(&mut bench, first.session, 2);
        assert_eq!(refresh(&mut bench, first.session, 1), REVOKED);
        assert_eq!(refresh(&mut bench, first.session, 3), REVOKED);
    }

    #[test]
    fn rt_3_a_session_ends_however_often_it_is_refreshed() {
        let (mut bench, grant) = logged_in();
        bench.wait(bench.now.seconds_until(grant.expires_at) - 1);
        let Reply::SessionRefreshed(last) = refresh(&mut bench, grant.session, 1) else {
            panic!()
        };
        assert_eq!(last.expires_at, grant.expires_at);
        bench.wait(1);
        assert_eq!(refresh(&mut bench, grant.session, 2), REVOKED);
    }

    #[test]
    fn generations_that_were_never_given_out_end_the_session() {
        for generation in [0, 2, u32::MAX] {
            let (mut bench, grant) = logged_in();
            assert_eq!(refresh(&mut bench, grant.session, generation), REVOKED);
            assert_eq!(refresh(&mut bench, grant.session, 1), REVOKED);
        }
    }

    #[test]
    fn the_last_generation_has_no_successor() {
        let (mut bench, grant) = logged_in();
        let row = query::session(&bench.tables, grant.session).unwrap().unwrap();
        let row = Session {
            generation: u32::MAX,
            ..row
        };
        put(&mut bench.tables, Table::Sessions, &row.id.0, &row).unwrap();
        assert_eq!(refresh(&mut bench, grant.session, u32::MAX), REVOKED);
    }

    #[test]
    fn se_2_a_disabled_account_refreshes_nothing() {
        let (mut bench, grant) = logged_in();
        let disabled = Account {
            status: AccountStatus::Disabled,
            ..bench.account(grant.account)
        };
        put(&mut bench.tables, Table::Accounts, &grant.account.0, &disabled).unwrap();
        assert_eq!(refresh(&mut bench, grant.session, 1), REVOKED);
        assert_eq!(refresh(&mut bench, SessionId(id(99)), 1), REVOKED);
    }
}
