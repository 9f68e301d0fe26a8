//! `read_policy`, `set_policy`, `dry_run_policy`: the rules of the cluster, and the table of a time zone's offsets that
//! goes with them, so that every replica judges alike.

use super::error::refusal;
use super::limits::{DRY_RUN_LOGINS_MAX, ZONE_YEARS};
use super::{Auth, Authenticated, FieldError, ServiceError};
use crate::clock;
use crate::http::context::RequestContext;
use auth_core::command::{Command, SetPolicy};
use auth_core::limits::ZONE_OFFSETS_MAX;
use auth_core::policy::hours::Offset;
use auth_core::policy::{Policy, RiskPolicy};
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::time::Timestamp;

/// What a policy would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Logins that were judged.
    pub logins: u64,
    /// Those that would have been asked for a code.
    pub demanded: u64,
    /// By reason.
    pub by_reason: Vec<(&'static str, u64)>,
}

impl Auth {
    /// The policy in force.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn read_policy(&self, ctx: &RequestContext) -> Result<Policy, ServiceError> {
        let view = self.current_view(ctx).await?;
        Ok(query::policy(&view)?)
    }

    /// Replaces the policy that has the expected version.
    ///
    /// # Errors
    /// `Denied` with `Forbidden`, `VersionConflict` or `InvalidPolicy`.
    pub async fn set_policy(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        expected_version: u64,
        policy: Policy,
    ) -> Result<Policy, ServiceError> {
        let request_id = Self::request_id(ctx, "set_policy", &expected_version.to_be_bytes());
        let command = Command::SetPolicy(SetPolicy {
            session: current.session.id,
            expected_version,
            policy: policy.clone(),
        });
        match self.propose(ctx, request_id, command).await? {
            Reply::PolicySet { version } => Ok(Policy { version, ..policy }),
            other => Err(refusal("set_policy", &other)),
        }
    }

    /// Judges the newest logins of the audit by other rules.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn dry_run_policy(&self, ctx: &RequestContext, risk: &RiskPolicy) -> Result<Tried, ServiceError> {
        let view = self.current_view(ctx).await?;
        let mut tried = Tried::default();
        let mut before = None;
        loop {
            let page = query::risk_dry_run(&view, risk, before, DRY_RUN_LOGINS_MAX)?;
            tried.logins += page.logins;
            tried.demanded += page.demanded;
            for (reason, logins) in page.by_reason {
                match tried.by_reason.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, sum)) => *sum += logins,
                    None => tried.by_reason.push((reason, logins)),
                }
            }
            before = page.next;
            let enough = usize::try_from(tried.logins).is_ok_and(|logins| logins >= DRY_RUN_LOGINS_MAX);
            if before.is_none() || enough || clock::monotonic() >= ctx.deadline {
                return Ok(tried);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The offsets of a time zone from now on, for as many years as the table takes.
///
/// # Errors
/// For a name that is no zone's.
pub fn zone_offsets(zone: &str) -> Result<Vec<Offset>, FieldError> {
    let unknown = || FieldError {
        field: "risk_hours.zone",
        message: "must be the IANA name of a time zone, such as Europe/Berlin".to_owned(),
    };
    let found = jiff::tz::db().get(zone).map_err(|_| unknown())?;
    let at = |time: Timestamp| {
        let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
    };
    let now = clock::now();
    let end = at(now.plus_seconds(ZONE_YEARS * 366 * 86_400));
    let offset = |from: Timestamp, seconds: i32| Offset {
        from_seconds: from.seconds(),
        offset_seconds: seconds,
    };
    let mut offsets = vec![offset(now, found.to_offset(at(now)).seconds())];
    let following = found
        .following(at(now))
        .take_while(|transition| transition.timestamp() < end);
    for transition in following.take(ZONE_OFFSETS_MAX - 1) {
        let seconds = u64::try_from(transition.timestamp().as_second()).unwrap_or_default();
        offsets.push(offset(Timestamp::from_seconds(seconds), transition.offset().seconds()));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_its_changes_of_the_coming_years_and_a_made_up_one_none() {
        let berlin = zone_offsets("Europe/Berlin").ok().unwrap();
        assert!(
            berlin.len() > 2 * usize::try_from(ZONE_YEARS).unwrap() - 2,
            "{}",
            berlin.len()
        );
        assert!(
            berlin
                .windows(2)
                .all(|pair| pair[0].from_seconds < pair[1].from_seconds)
        );
        assert!(
            berlin
                .iter()
                .all(|offset| [3600, 7200].contains(&offset.offset_seconds))
        );
        let fixed = zone_offsets("America/Sao_Paulo").ok().unwrap();
        assert_eq!(fixed.len(), 1, "no summer time there since 2019");
        assert_eq!(fixed[0].offset_seconds, -3 * 3600);
        assert!(zone_offsets("Middle/Earth").is_err());
    }
}
