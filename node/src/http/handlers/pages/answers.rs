//! How a page leaves the node: as HTML, as a redirect, or as the page that stands in for it.
//!
//! Status and headers of an error come from the one table in `http/respond.rs`; here it gets words.

use super::texts::{ENGLISH, ErrorPage, Texts};
use super::view::{Error, Layout};
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::refusal::Refusal;
use crate::http::respond::{dress, log_fault};
use crate::service::ServiceError;
use askama::Template;
use auth_core::reply::Denial;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// From this many seconds on a wait is told in minutes.
const WAIT_IN_MINUTES_FROM: u64 = 120;

/// The words of the answer. English is the only language so far.
pub(super) fn texts() -> &'static Texts {
    &ENGLISH
}

/// A page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(body) => {
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
            (status, [kind, (header::CONTENT_LANGUAGE, texts().lang)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// To another page, with `GET`. Only ever to an address that is written in this program.
pub(super) fn see_other(path: &'static str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, HeaderValue::from_static(path))],
    )
        .into_response()
}

/// Back to the start of the login, with a word why.
pub(super) fn login_expired() -> Response {
    let mut response = see_other("/login?notice=login_expired");
    cookies::clear(response.headers_mut(), cookies::CHALLENGE);
    response
}

/// The page for a status alone. `retry` is where trying again begins, `reference` the request's id.
pub(crate) fn status_page(status: StatusCode, retry: Option<&str>, reference: Option<&str>) -> Response {
    let texts = texts();
    let text = words_of(status);
    let layout = Layout::new(texts, text.title).marked(true);
    html(
        status,
        &Error {
            layout,
            text,
            texts: &texts.errors,
            retry,
            reference,
        },
    )
}

/// The page for an error that no form can show. It is logged here, once.
pub(super) fn failure(error: &ServiceError, ctx: &RequestContext, retry: &'static str) -> Response {
    log_fault(error);
    let refusal = Refusal::of(error).uniform();
    dress(
        &refusal,
        status_page(refusal.status(), Some(retry), Some(&ctx.request_id)),
    )
}

/// What the form says about an error, `wrong` standing for every wrong credential; nothing when the error takes a page
/// of its own.
pub(super) fn told_in_form(error: &ServiceError, wrong: &'static str) -> Option<String> {
    let texts = &texts().refusals;
    match error {
        ServiceError::Invalid(_) => Some(texts.fields.to_owned()),
        ServiceError::Denied(denial) => match denial {
            Denial::UsernameTaken {} => Some(texts.username_taken.to_owned()),
            Denial::TooManyAttempts { .. } => Some(format!(
                "{} {}.",
                texts.too_many,
                wait(Refusal::of(error).uniform().retry_after_s.unwrap_or(1))
            )),
            Denial::InvalidCredentials {}
            | Denial::InvalidCode {}
            | Denial::EnrolmentRequired {}
            | Denial::AlreadyEnrolled {}
            | Denial::ChallengeGone {}
            | Denial::SessionRevoked {}
            | Denial::AccountDisabled {}
            | Denial::FactorDisabled {}
            | Denial::AccountGone {}
            | Denial::NotApproved { .. }
            | Denial::AddressUnconfirmed { .. }
            | Denial::RegistrationClosed { .. }
            | Denial::StepUpRequired { .. }
            | Denial::Forbidden { .. }
            | Denial::NotFound { .. }
            | Denial::TokenGone { .. }
            | Denial::SecondFactorRequired { .. }
            | Denial::IdempotencyKeyReused { .. }
            | Denial::TooManyMails { .. }
            | Denial::TooManyFactors { .. }
            | Denial::VersionConflict { .. }
            | Denial::AdminExists { .. }
            | Denial::LastAdmin { .. }
            | Denial::MethodNotOffered { .. }
            | Denial::InvalidPolicy { .. }
            | Denial::KeyPending { .. }
            | Denial::InvalidCommand { .. }
            | Denial::AdminNeedsFactor { .. } => Some(wrong.to_owned()),
            Denial::TooOld {} => None,
        },
        ServiceError::Unauthenticated
        | ServiceError::StepUpRequired
        | ServiceError::Forbidden
        | ServiceError::NotFound
        | ServiceError::Replaced
        | ServiceError::Overloaded { .. }
        | ServiceError::Unavailable { .. }
        | ServiceError::Fault(_) => None,
    }
}

/// A wait in words, rounded up.
fn wait(seconds: u64) -> String {
    let texts = &texts().refusals;
    let (count, [one, many]) = if seconds < WAIT_IN_MINUTES_FROM {
        (seconds, texts.seconds)
    } else {
        (seconds.div_ceil(60), texts.minutes)
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

fn words_of(status: StatusCode) -> &'static ErrorPage {
    let errors = &texts().errors;
    match status {
        StatusCode::FORBIDDEN => &errors.forbidden,
        StatusCode::NOT_FOUND => &errors.not_found,
        StatusCode::METHOD_NOT_ALLOWED => &errors.method_not_allowed,
        StatusCode::PAYLOAD_TOO_LARGE => &errors.too_large,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &errors.media_type,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => &errors.unavailable,
        other if other.is_client_error() => &errors.bad_request,
        _ => &errors.fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn waits_are_told_in_whole_units() {
        for (seconds, words) in [
            (1, "1 second"),
            (30, "30 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (121, "3 minutes"),
            (3600, "60 minutes"),
        ] {
            assert_eq!(wait(seconds), words);
        }
    }

    #[test]
    fn every_wrong_credential_is_told_alike() {
        let told = |denial| told_in_form(&ServiceError::Denied(denial), "wrong");
        for denial in [
            Denial::InvalidCredentials {},
            Denial::AccountDisabled {},
            Denial::AccountGone {},
        ] {
            assert_eq!(told(denial).as_deref(), Some("wrong"), "{denial:?}");
        }
        assert_eq!(told(Denial::TooOld {}), None);
        let until = clock::now().plus_seconds(3600);
        assert_eq!(
            told(Denial::TooManyAttempts { until }).as_deref(),
            Some("Too many attempts. Try again in 60 minutes.")
        );
    }

    #[test]
    fn a_failure_tells_when_to_try_again_and_nothing_of_its_cause() {
        let ctx = RequestContext::new(
            &Default::default(),
            [127, 0, 0, 1].into(),
            std::time::Duration::from_secs(5),
        );
        let page = failure(&ServiceError::Unavailable { not_executed: true }, &ctx, "/login");
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.headers().contains_key(header::RETRY_AFTER));
        assert!(page.headers().contains_key(auth_api::headers::NOT_EXECUTED));
        let fault = failure(&ServiceError::Fault("row 7".into()), &ctx, "/login");
        assert_eq!(fault.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
