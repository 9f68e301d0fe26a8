//! `/login`: name and password; then to the second factor, or to connecting one.

use super::answers::{failure, html, see_other, texts, told_in_form};
use super::is_signed_in;
use super::view::{CURRENT_PASSWORD, Field, Form, Layout, Login, USERNAME};
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::forms::{Ticket, VerifiedForm};
use crate::http::refusal::Refusal;
use crate::http::respond::dress;
use crate::http::routes::AppState;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

const ACTION: &str = "/login";

/// What the form shows.
#[derive(Default)]
struct Filled {
    username: String,
    notice: Option<&'static str>,
    alert: Option<String>,
}

pub(super) async fn show(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if is_signed_in(&app, &ctx, &headers).await {
        return see_other("/welcome");
    }
    page(
        &app,
        &headers,
        StatusCode::OK,
        Filled {
            notice: notice(query.as_deref()),
            ..Filled::default()
        },
    )
}

pub(super) async fn submit(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    mut form: VerifiedForm,
) -> Response {
    let username = form.text("username");
    let password = form.secret("password");
    let error = match app.auth.start_login(&ctx, &username, &password).await {
        Ok(started) => {
            let mut response = see_other(if started.bound { "/login/verify" } else { "/login/enrol" });
            cookies::set(
                response.headers_mut(),
                cookies::CHALLENGE,
                &started.challenge,
                started.expires_at,
            );
            return response;
        }
        Err(error) => error,
    };
    let Some(alert) = told_in_form(&error, texts().refusals.credentials) else {
        return failure(&error, &ctx, ACTION);
    };
    let refusal = Refusal::of(&error).uniform();
    let filled = Filled {
        username,
        notice: None,
        alert: Some(alert),
    };
    dress(&refusal, page(&app, &headers, refusal.status(), filled))
}

/// The notice that a query asks for: one of a few, never its own words.
fn notice(query: Option<&str>) -> Option<&'static str> {
    let notices = &texts().notices;
    match query?.strip_prefix("notice=")? {
        "account_created" => Some(notices.account_created),
        "login_expired" => Some(notices.login_expired),
        "logged_out" => Some(notices.logged_out),
        _ => None,
    }
}

fn page(app: &AppState, headers: &HeaderMap, status: StatusCode, filled: Filled) -> Response {
    let text = &texts().login;
    let ticket = Ticket::new(&app.key_ring, headers, ACTION);
    let is_error = filled.alert.is_some();
    let form = Form {
        action: ACTION,
        token: ticket.token.clone(),
        notice: filled.notice,
        alert: filled.alert,
        fields: vec![
            Field::new("username", text.username, &USERNAME)
                .value(&filled.username)
                .focused(!is_error),
            Field::new("password", text.password, &CURRENT_PASSWORD),
        ],
        submit: text.submit,
    };
    let layout = Layout::new(texts(), text.title).marked(is_error);
    let mut response = html(status, &Login { layout, text, form });
    ticket.attach(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_chooses_a_notice_and_never_writes_one() {
        assert_eq!(notice(Some("notice=logged_out")), Some(texts().notices.logged_out));
        for query in [
            None,
            Some(""),
            Some("notice="),
            Some("notice=<b>"),
            Some("notice=logged_out&x=1"),
            Some("x=1"),
        ] {
            assert_eq!(notice(query), None, "{query:?}");
        }
    }
}
