//! Ends sessions of one's own account (SE-4). No step-up is needed to lock somebody out who came in.

use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use crate::command::{EndSessions, SessionScope};
use crate::error::Fault;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &EndSessions, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let count = match command.scope {
        SessionScope::One(id) => {
            let Some(other) = query::session(tables, id)?.filter(|other| other.account == account.id) else {
                return Ok(Decision::denied(Denial::NotFound {}).about(account.id).by(session.id));
            };
            u32::from(sessions::end(moment.now, other, tables)?)
        }
        SessionScope::Others {} => sessions::end_all(moment.now, account.id, Some(session.id), tables)?,
        SessionScope::All {} => sessions::end_all(moment.now, account.id, None, tables)?,
    };
    Ok(Decision::new(Reply::SessionsEnded { count })
        .about(account.id)
        .by(session.id))
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::Bench;
    use crate::command::{Command, EndSessions, SessionScope};
    use crate::ids::SessionId;
    use crate::limits::SESSIONS_PER_ACCOUNT_MAX;
    use crate::query;
    use crate::reply::{Denial, Reply};

    fn end(bench: &mut Bench, session: SessionId, scope: SessionScope) -> Reply {
        bench.run(Command::EndSessions(EndSessions { session, scope }))
    }

    #[test]
    fn se_4_an_owner_ends_one_or_all_other_sessions_and_nobody_elses() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let stranger = bench.mailed_account("ben");
        let theirs = bench.plain_session(stranger).session;
        let sessions: Vec<_> = (0..4).map(|_| bench.plain_session(account).session).collect();
        let ended = |count| Reply::SessionsEnded { count };
        assert_eq!(end(&mut bench, sessions[0], SessionScope::One(sessions[1])), ended(1));
        assert_eq!(end(&mut bench, sessions[0], SessionScope::One(sessions[1])), ended(0));
        assert_eq!(
            end(&mut bench, sessions[0], SessionScope::One(theirs)),
            Reply::Denied(Denial::NotFound {})
        );
        assert_eq!(end(&mut bench, sessions[0], SessionScope::Others {}), ended(2));
        assert_eq!(query::sessions_of(&bench.tables, account).unwrap().len(), 1);
        assert_eq!(end(&mut bench, sessions[0], SessionScope::All {}), ended(1));
        assert_eq!(
            end(&mut bench, sessions[0], SessionScope::All {}),
            Reply::Denied(Denial::SessionRevoked {})
        );
        assert_eq!(query::sessions_of(&bench.tables, stranger).unwrap().len(), 1);
    }

    #[test]
    fn sessions_of_an_account_are_bounded_and_the_one_that_rested_longest_ends() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let first = bench.plain_session(account).session;
        for _ in 0..SESSIONS_PER_ACCOUNT_MAX {
            bench.wait(1);
            bench.plain_session(account);
        }
        assert_eq!(
            query::sessions_of(&bench.tables, account).unwrap().len(),
            SESSIONS_PER_ACCOUNT_MAX
        );
        assert!(
            query::session(&bench.tables, first)
                .unwrap()
                .unwrap()
                .revoked_at
                .is_some()
        );
    }

    #[test]
    fn se_3_a_session_ends_when_it_rests_for_too_long_and_in_any_case_in_the_end() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let reply = bench.sign_in_with(account, |command| {
            command.session.idle_seconds = Some(3_600);
            command.session.seconds = u64::MAX;
        });
        let grant = crate::apply::testing::granted(reply);
        assert_eq!(
            grant.expires_at,
            bench.now.plus_seconds(crate::limits::SESSION_SECONDS_MAX)
        );
        bench.wait(3_599);
        assert!(matches!(bench.refresh(grant.session, 1), Reply::SessionRefreshed(_)));
        bench.wait(3_599);
        assert!(matches!(bench.refresh(grant.session, 2), Reply::SessionRefreshed(_)));
        bench.wait(3_600);
        assert_eq!(
            bench.refresh(grant.session, 3),
            Reply::Denied(Denial::SessionRevoked {})
        );
    }
}
