//! `/v1/admin/policy`.

use super::refuse;
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::handlers::JsonBody;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::service::{FieldError, ServiceError, zone_offsets};
use auth_api::problem::Code;
use auth_api::v1::policy as api;
use auth_core::policy::hours::BusinessHours;
use auth_core::policy::{Policy, RegistrationPolicy, RiskMode, RiskPolicy};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue};

/// Days of a week.
const WEEKDAYS: u64 = 7;

pub(super) async fn read(State(app): State<AppState>, ctx: RequestContext) -> Result<Response, Refused> {
    Ok(answer(&app.auth.read_policy(&ctx).await?))
}

pub(super) async fn change(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::NewPolicy>,
) -> Result<Response, Refused> {
    let version = version(&headers)?;
    let policy = policy_of(body)?;
    let set = app.auth.set_policy(&ctx, &current, version, policy).await?;
    Ok(answer(&set))
}

pub(super) async fn dry_run(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::NewPolicy>,
) -> Result<Response, Refused> {
    let policy = policy_of(body)?;
    let make = || async {
        let tried = app.auth.dry_run_policy(&ctx, &policy.risk).await?;
        let count = |(reason, logins): (&str, u64)| api::ReasonCount {
            reason: reason.to_owned(),
            logins,
        };
        let shown = api::DryRun {
            logins: tried.logins,
            demanded: tried.demanded,
            reasons: tried.by_reason.into_iter().map(count).collect(),
        };
        serde_json::to_vec(&shown).map_err(|error| ServiceError::Fault(format!("a dry run: {error}")))
    };
    let answer = app.auth.answered_once(&ctx, &current, make).await?;
    Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// The version that is changed: `If-Match: "7"`.
fn version(headers: &HeaderMap) -> Result<u64, Refused> {
    let missing = || refuse(Code::VersionRequired, "If-Match must name the version that is changed");
    let text = headers.get(IF_MATCH).ok_or_else(missing)?.to_str().unwrap_or_default();
    let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| refuse(Code::VersionMismatch, "If-Match names no version of the policy"))
}

fn answer(policy: &Policy) -> Response {
    let etag = HeaderValue::from_str(&format!("\"{}\"", policy.version));
    let mut response = Json(shown(policy)).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

fn policy_of(body: api::NewPolicy) -> Result<Policy, ServiceError> {
    let mode = [RiskMode::Enforced, RiskMode::Shadow, RiskMode::Off]
        .into_iter()
        .find(|mode| word(*mode) == body.risk_mode)
        .unwrap_or_default();
    Ok(Policy {
        // Not looked at: the version in force grows by itself.
        version: 0,
        registration: RegistrationPolicy {
            closed: body.registration_closed,
            approval: body.registration_approval,
            confirm_email: body.registration_confirm_email,
        },
        risk: RiskPolicy {
            mode,
            new_network: body.risk_new_address,
            new_device: body.risk_new_device,
            dormant_days: body
                .risk_dormant_days
                .map(|days| u16::try_from(days).unwrap_or(u16::MAX)),
            hours: body.risk_hours.map(hours_of).transpose()?,
            share_permyriad: u16::try_from(body.risk_share_permyriad).unwrap_or(u16::MAX),
        },
        admin_mailed_codes: body.admin_mailed_codes,
        remembered_device_suffices: body.remembered_device_suffices,
    })
}

fn hours_of(hours: api::Hours) -> Result<BusinessHours, ServiceError> {
    let invalid = |wrong: FieldError| ServiceError::Invalid(vec![wrong]);
    if hours.from_minute >= hours.to_minute || hours.weekdays.is_empty() {
        return Err(invalid(FieldError {
            field: "risk_hours",
            message: "must have a day, and end after they begin".to_owned(),
        }));
    }
    let offsets = zone_offsets(&hours.zone).map_err(invalid)?;
    // The reader has checked the bounds.
    let days = hours
        .weekdays
        .iter()
        .fold(0, |days, day| days | 1_u8 << ((day - 1) % WEEKDAYS));
    let minute = |minute: u64| u16::try_from(minute).unwrap_or(u16::MAX);
    Ok(BusinessHours {
        zone: hours.zone,
        days,
        from_minute: minute(hours.from_minute),
        to_minute: minute(hours.to_minute),
        offsets,
    })
}

fn word(mode: RiskMode) -> &'static str {
    match mode {
        RiskMode::Enforced => "enforced",
        RiskMode::Shadow => "shadow",
        RiskMode::Off => "off",
    }
}

fn shown(policy: &Policy) -> api::Policy {
    let risk = &policy.risk;
    let hours = |hours: &BusinessHours| api::PolicyHours {
        zone: hours.zone.clone(),
        weekdays: (1..=WEEKDAYS).filter(|day| hours.days >> (day - 1) & 1 == 1).collect(),
        from_minute: u64::from(hours.from_minute),
        to_minute: u64::from(hours.to_minute),
    };
    api::Policy {
        version: policy.version,
        registration_closed: policy.registration.closed,
        registration_approval: policy.registration.approval,
        registration_confirm_email: policy.registration.confirm_email,
        admin_mailed_codes: policy.admin_mailed_codes,
        remembered_device_suffices: policy.remembered_device_suffices,
        risk_mode: word(risk.mode).to_owned(),
        risk_new_address: risk.new_network,
        risk_new_device: risk.new_device,
        risk_dormant_days: risk.dormant_days.map(u64::from),
        risk_hours: risk.hours.as_ref().map(hours),
        risk_share_permyriad: u64::from(risk.share_permyriad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(hours: Option<api::Hours>) -> api::NewPolicy {
        api::NewPolicy {
            registration_closed: false,
            registration_approval: true,
            registration_confirm_email: false,
            admin_mailed_codes: false,
            remembered_device_suffices: false,
            risk_mode: "shadow".into(),
            risk_new_address: true,
            risk_new_device: false,
            risk_dormant_days: Some(30),
            risk_hours: hours,
            risk_share_permyriad: 1000,
        }
    }

    fn hours(weekdays: Vec<u64>, from_minute: u64, to_minute: u64, zone: &str) -> api::Hours {
        api::Hours {
            zone: zone.into(),
            weekdays,
            from_minute,
            to_minute,
        }
    }

    #[test]
    fn a_policy_is_shown_as_it_was_written() {
        let written = policy_of(body(Some(hours(vec![1, 5, 7], 480, 1080, "Europe/Lisbon"))))
            .ok()
            .unwrap();
        let shown = shown(&written);
        assert_eq!(
            (shown.risk_mode.as_str(), shown.risk_dormant_days),
            ("shadow", Some(30))
        );
        let hours = shown.risk_hours.unwrap();
        assert_eq!(
            (hours.weekdays, hours.from_minute, hours.zone.as_str()),
            (vec![1, 5, 7], 480, "Europe/Lisbon")
        );
        assert!(written.is_valid());
    }

    #[test]
    fn hours_that_contradict_themselves_are_refused() {
        for bad in [
            hours(vec![1], 600, 600, "UTC"),
            hours(vec![], 1, 2, "UTC"),
            hours(vec![1], 1, 2, "Middle/Earth"),
        ] {
            assert!(policy_of(body(Some(bad))).is_err());
        }
    }

    #[test]
    fn if_match_names_a_version() {
        let with = |value: &'static str| version(&[(IF_MATCH, HeaderValue::from_static(value))].into_iter().collect());
        assert_eq!(with("\"7\"").ok(), Some(7));
        assert!(with("7").is_err() && with("*").is_err() && version(&HeaderMap::new()).is_err());
    }
}
