//! Starting and ending sessions, and what a session may ask for.

use super::account_rows;
use super::decision::Moment;
use super::expiry::{self, Kind};
use crate::account::Account;
use crate::command::NewSession;
use crate::device::DeviceGrant;
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::ids::{AccountId, SessionId};
use crate::limits::{AGENT_BYTES_MAX, SESSION_SECONDS_MAX, SESSIONS_PER_ACCOUNT_MAX, STEP_UP_SECONDS};
use crate::query;
use crate::reply::{Denial, SessionGrant};
use crate::session::{Proved, Session};
use crate::tables::schema::{pair_key, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Whether there is such a session already: a fault of the proposer's randomness, which must not revive a session.
pub(super) fn is_taken(id: SessionId, tables: &impl TablesRead) -> Result<bool, Fault> {
    Ok(query::session(tables, id)?.is_some())
}

/// Starts a session. Beyond the bound the one that rested longest ends.
pub(super) fn start(
    moment: Moment<'_>,
    account: AccountId,
    new: &NewSession,
    proved: Methods,
    device: Option<DeviceGrant>,
    tables: &mut impl Tables,
) -> Result<SessionGrant, Fault> {
    let now = moment.now;
    let session = Session {
        id: new.session,
        account,
        generation: 1,
        rotated_at: now,
        auth_time: now,
        expires_at: now.plus_seconds(new.seconds.min(SESSION_SECONDS_MAX)),
        revoked_at: None,
        client_address: moment.client.address.clone(),
        proved: Proved(proved),
        created_at: Some(now),
        idle_seconds: new.idle_seconds,
        device: device.map(|device| device.device),
        agent: moment
            .client
            .agent
            .clone()
            .filter(|agent| agent.len() <= AGENT_BYTES_MAX),
    };
    put(tables, Table::Sessions, &session.id.0, &session)?;
    put(tables, Table::SessionsByAccount, &index_key(&session), &session.id)?;
    expiry::schedule(session.expires_at, Kind::Session, &session.id.0, tables)?;
    let live = query::sessions_of(tables, account)?;
    if live.len() > SESSIONS_PER_ACCOUNT_MAX
        && let Some(oldest) = live
            .into_iter()
            .filter(|other| other.id != session.id)
            .min_by_key(|other| (other.rotated_at, other.id))
    {
        end(now, oldest, tables)?;
    }
    Ok(SessionGrant {
        device,
        ..session.grant()
    })
}

/// Ends a session at once (SE-2), and with it the other address that it asked for. Its row stays until it would have ended,
/// so that its tokens are refused for what they are. Returns whether it was live.
pub(super) fn end(now: Timestamp, session: Session, tables: &mut impl Tables) -> Result<bool, Fault> {
    tables.remove(Table::SessionsByAccount, &index_key(&session))?;
    let was_live = session.is_live(now);
    if session.revoked_at.is_none() {
        account_rows::drop_address_asked_by(&session, tables)?;
        let ended = Session {
            revoked_at: Some(now),
            ..session
        };
        put(tables, Table::Sessions, &ended.id.0, &ended)?;
    }
    Ok(was_live)
}

/// Ends the sessions of an account but one. Returns how many were live.
pub(super) fn end_all(
    now: Timestamp,
    account: AccountId,
    but: Option<SessionId>,
    tables: &mut impl Tables,
) -> Result<u32, Fault> {
    #[cfg(feature = "mutations")]
    if but.is_none() && mutations::on(mutations::Mutation::LockKeepsSessions) {
        return Ok(0);
    }
    let mut count = 0_u32;
    for session in query::sessions_of(tables, account)? {
        if Some(session.id) != but && end(now, session, tables)? {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// Key of a session in the index by account.
pub(super) fn index_key(session: &Session) -> Vec<u8> {
    pair_key(&session.account.0, &session.id.0)
}

/// A session that may act, and its account.
pub(super) struct Acting {
    pub(super) session: Session,
    pub(super) account: Account,
}

/// The session behind a request, if it is live and its account may log in.
pub(super) fn acting(
    moment: Moment<'_>,
    id: SessionId,
    tables: &impl TablesRead,
) -> Result<Result<Acting, Denial>, Fault> {
    let revoked = Err(Denial::SessionRevoked {});
    let Some(session) = query::session(tables, id)?.filter(|session| session.is_live(moment.now)) else {
        return Ok(revoked);
    };
    let account = query::account(tables, session.account)?.filter(Account::is_active);
    Ok(account.map_or(revoked, |account| Ok(Acting { session, account })))
}

/// Like [`acting`], and the session must have proved itself lately and with the account's strongest factor (SE-5, OTP-8).
pub(super) fn acting_fresh(
    moment: Moment<'_>,
    id: SessionId,
    tables: &impl TablesRead,
) -> Result<Result<Acting, Denial>, Fault> {
    let acting = match acting(moment, id, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Err(denial)),
    };
    let factors = query::factors(tables, acting.account.id)?;
    Ok(if is_fresh(&acting, &factors, moment.now) {
        Ok(acting)
    } else {
        Err(Denial::StepUpRequired {})
    })
}

/// Like [`acting`], and it must be an administrator's at `aal2`.
pub(super) fn acting_admin(
    moment: Moment<'_>,
    id: SessionId,
    tables: &impl TablesRead,
) -> Result<Result<Acting, Denial>, Fault> {
    Ok(acting(moment, id, tables)?.and_then(|acting| {
        let may = acting.account.role == crate::account::Role::Admin && acting.session.proved.0.is_aal2();
        if may { Ok(acting) } else { Err(Denial::Forbidden {}) }
    }))
}

fn is_fresh(acting: &Acting, factors: &[Factor], now: Timestamp) -> bool {
    let proved = acting.session.proved.0;
    let lately = now <= acting.session.auth_time.plus_seconds(STEP_UP_SECONDS);
    let strong = if factors.iter().any(Factor::is_bound) {
        proved.is_aal2()
    } else {
        acting.account.email_factor_since.is_none() || proved.has(Methods::EMAIL) || proved.is_aal2()
    };
    lately && strong
}
