//! Ends a session at once, on every node (SE-2). The row stays until the session would have ended, so that its tokens
//! are refused for what they are.

use super::decision::{Decision, Moment};
use super::sessions;
use crate::command::EndSession;
use crate::error::Fault;
use crate::query;
use crate::reply::Reply;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &EndSession, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let ended = Decision::new(Reply::SessionEnded {});
    let Some(session) = query::session(tables, command.session)? else {
        return Ok(ended);
    };
    let account = session.account;
    sessions::end(moment.now, session, tables)?;
    Ok(ended.about(account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::{Bench, id};
    use crate::command::{Command, RefreshSession};
    use crate::ids::SessionId;
    use crate::reply::Denial;

    #[test]
    fn se_2_an_ended_session_refreshes_nothing_and_ending_it_again_keeps_its_end() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let step = bench.step();
        let Reply::SessionStarted(grant) = bench.log_in(account, Some((factor, Some(step)))) else {
            panic!()
        };
        let end = Command::EndSession(EndSession { session: grant.session });
        assert_eq!(bench.run(end.clone()), Reply::SessionEnded {});
        let ended_at = bench.now;
        bench.wait(5);
        assert_eq!(bench.run(end), Reply::SessionEnded {});
        let row = query::session(&bench.tables, grant.session).unwrap().unwrap();
        assert_eq!(row.revoked_at, Some(ended_at));
        assert!(!row.is_live(bench.now));
        let refresh = Command::RefreshSession(RefreshSession {
            session: grant.session,
            generation: 1,
        });
        assert_eq!(bench.run(refresh), Reply::Denied(Denial::SessionRevoked {}));
    }

    #[test]
    fn ending_a_session_that_never_was_is_no_error() {
        let mut bench = Bench::new();
        let end = Command::EndSession(EndSession {
            session: SessionId(id(99)),
        });
        assert_eq!(bench.run(end), Reply::SessionEnded {});
    }
}
