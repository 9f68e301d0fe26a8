//! `/login/verify`: the code of an app that is connected already. Answering a challenge is shared with `/login/enrol`.

use super::answers::{failure, html, login_expired, see_other, texts, told_in_form};
use super::view::{Field, Form, Layout, ONE_TIME_CODE, Verify};
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::forms::{self, Ticket, VerifiedForm};
use crate::http::refusal::Refusal;
use crate::http::respond::dress;
use crate::http::routes::AppState;
use crate::service::ServiceError;
use auth_core::reply::Denial;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

const ACTION: &str = "/login/verify";

pub(super) async fn show(State(app): State<AppState>, headers: HeaderMap) -> Response {
    if cookies::read(&headers, cookies::CHALLENGE).is_none() {
        return see_other("/login");
    }
    page(&app, &headers, StatusCode::OK, None)
}

pub(super) async fn submit(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    form: VerifiedForm,
) -> Response {
    let error = match answer(&app, &ctx, &headers, form).await {
        Ok(response) => return response,
        Err(error) => error,
    };
    let Some(alert) = told_in_form(&error, wrong_code(&error)) else {
        return failure(&error, &ctx, ACTION);
    };
    let refusal = Refusal::of(&error).uniform();
    dress(&refusal, page(&app, &headers, refusal.status(), Some(alert)))
}

/// Answers the browser's challenge with the code of the form: signed in, or back to the start when the challenge is
/// gone, or an error that the form shows.
pub(super) async fn answer(
    app: &AppState,
    ctx: &RequestContext,
    headers: &HeaderMap,
    mut form: VerifiedForm,
) -> Result<Response, ServiceError> {
    let Some(challenge) = cookies::read(headers, cookies::CHALLENGE) else {
        return Ok(login_expired());
    };
    // Apps show the digits in two groups, and people type them so.
    let code: String = form.text("code").split_whitespace().collect();
    match app.auth.verify_factor(ctx, &challenge, &code).await {
        Ok(tokens) => {
            let mut response = see_other("/welcome");
            let out = response.headers_mut();
            cookies::set_tokens(out, &app.config, &tokens);
            cookies::clear(out, cookies::CHALLENGE);
            cookies::clear(out, forms::COOKIE);
            Ok(response)
        }
        Err(ServiceError::Denied(Denial::ChallengeGone {})) => Ok(login_expired()),
        Err(error) => Err(error),
    }
}

/// The password was right when this is shown, so a factor that was switched off can be told to its owner.
pub(super) fn wrong_code(error: &ServiceError) -> &'static str {
    let texts = &texts().refusals;
    if matches!(error, ServiceError::Denied(Denial::FactorDisabled {})) {
        texts.factor_disabled
    } else {
        texts.code
    }
}

/// The field for the code, which is typed on two pages.
pub(super) fn code_field(label: &'static str, hint: &'static str, focused: bool) -> Field {
    Field::new("code", label, &ONE_TIME_CODE).hint(hint).focused(focused)
}

fn page(app: &AppState, headers: &HeaderMap, status: StatusCode, alert: Option<String>) -> Response {
    let text = &texts().verify;
    let ticket = Ticket::new(&app.key_ring, headers, ACTION);
    let is_error = alert.is_some();
    let form = Form {
        action: ACTION,
        token: ticket.token.clone(),
        notice: None,
        alert,
        fields: vec![code_field(text.code, text.code_hint, !is_error)],
        submit: text.submit,
    };
    let layout = Layout::new(texts(), text.title).marked(is_error);
    let mut response = html(status, &Verify { layout, text, form });
    ticket.attach(response.headers_mut());
    response
}
