//! `/login/enrol`: connects an authenticator app. Reached after the right password while the account has none.
//!
//! The key is shown as a QR code, in letters, and as a link for an app on the same device. It is drawn into the page and
//! is part of no address that is ever requested from a server.

use super::answers::{failure, html, login_expired, see_other, texts, told_in_form};
use super::verify::{answer, code_field, wrong_code};
use super::view::{Enrol, Form, Layout};
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::forms::{Ticket, VerifiedForm};
use crate::http::refusal::Refusal;
use crate::http::respond::dress;
use crate::http::routes::AppState;
use crate::service::{PendingTotp, ServiceError, qr};
use auth_core::reply::Denial;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret as _;

const ACTION: &str = "/login/enrol";
/// Letters of the key in one group, to type by hand.
const GROUP_CHARS: usize = 4;

pub(super) async fn show(State(app): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Response {
    page(&app, &ctx, &headers, None).await
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
    page(&app, &ctx, &headers, Some((Refusal::of(&error).uniform(), alert))).await
}

/// The page with the pending key, or where to go when there is none.
async fn page(
    app: &AppState,
    ctx: &RequestContext,
    headers: &HeaderMap,
    refused: Option<(Refusal, String)>,
) -> Response {
    let Some(challenge) = cookies::read(headers, cookies::CHALLENGE) else {
        return see_other("/login");
    };
    let pending = match app.auth.pending_totp(ctx, &challenge).await {
        Ok(pending) => pending,
        Err(ServiceError::Denied(Denial::AlreadyEnrolled {})) => return see_other("/login/verify"),
        Err(ServiceError::Denied(_)) => return login_expired(),
        Err(error) => return failure(&error, ctx, ACTION),
    };
    let (refusal, alert) = refused.unzip();
    let status = refusal.as_ref().map_or(StatusCode::OK, Refusal::status);
    match draw(app, headers, status, &pending, alert) {
        Ok(response) => match refusal {
            Some(refusal) => dress(&refusal, response),
            None => response,
        },
        Err(error) => failure(&error, ctx, ACTION),
    }
}

fn draw(
    app: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    pending: &PendingTotp,
    alert: Option<String>,
) -> Result<Response, ServiceError> {
    let text = &texts().enrol;
    let uri = pending.otpauth_uri.expose_secret();
    let secret = pending.secret_base32.expose_secret();
    let svg = qr::svg(&pending.otpauth_uri)?;
    let svg = svg.expose_secret();
    let ticket = Ticket::new(&app.key_ring, headers, ACTION);
    let is_error = alert.is_some();
    let form = Form {
        action: ACTION,
        token: ticket.token.clone(),
        notice: None,
        alert,
        fields: vec![code_field(text.code, text.code_hint, false)],
        submit: text.submit,
    };
    let page = Enrol {
        layout: Layout::new(texts(), text.title).marked(is_error),
        text,
        form,
        qr_svg: inline(svg),
        otpauth_uri: uri,
        secret_groups: groups(secret),
    };
    let mut response = html(status, &page);
    ticket.attach(response.headers_mut());
    Ok(response)
}

/// The drawing without the XML declaration, which has no place inside of HTML.
fn inline(svg: &str) -> &str {
    svg.find("<svg").map_or("", |start| &svg[start..])
}

/// The key (ASCII) in groups.
fn groups(secret: &str) -> Vec<&str> {
    let starts = (0..secret.len()).step_by(GROUP_CHARS);
    starts
        .filter_map(|start| secret.get(start..secret.len().min(start + GROUP_CHARS)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_grouped_without_losing_a_letter() {
        assert_eq!(groups("ABCDEFGHIJ"), ["ABCD", "EFGH", "IJ"]);
        assert!(groups("").is_empty());
    }

    #[test]
    fn a_drawing_starts_with_its_element() {
        assert_eq!(inline("<?xml version=\"1.0\"?><svg></svg>"), "<svg></svg>");
        assert_eq!(inline("not a drawing"), "");
    }
}
