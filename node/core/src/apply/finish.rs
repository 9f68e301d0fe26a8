//! The end of every login: the session, the device's token, and what is remembered of it.

use super::decision::{Decision, Moment, Trace};
use super::standing::Standing;
use super::{devices, guess, networks, sessions};
use crate::command::NewSession;
use crate::error::Fault;
use crate::factor::Methods;
use crate::policy::risk::Reasons;
use crate::reply::Reply;
use crate::tables::Tables;

/// Starts the session of a login that proved `proved`. The budgets were cleared by whoever judged the proof.
pub(super) fn login(
    moment: Moment<'_>,
    standing: Standing,
    new: &NewSession,
    proved: Methods,
    trace: Trace,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let device = match (standing.device(), &new.device) {
        (Some(known), asked) => Some(devices::rotate(moment, known, asked.as_ref(), tables)?),
        (None, Some(new)) => devices::register(moment, &standing.account, new, tables)?,
        (None, None) => None,
    };
    let mut account = standing.account;
    networks::note(moment, account.id, tables)?;
    let grant = sessions::start(moment, account.id, new, proved, device, tables)?;
    account.last_login_at = Some(moment.now);
    account.unmet = Reasons::NONE;
    if moment.client.language.is_some() {
        account.language.clone_from(&moment.client.language);
    }
    let id = account.id;
    guess::put_advanced(account, tables)?;
    let trace = Trace {
        session: Some(grant.session),
        device: device.map(|device| device.device),
        methods: proved,
        ..trace
    };
    Ok(Decision::new(Reply::SessionStarted(grant)).about(id).traced(trace))
}
