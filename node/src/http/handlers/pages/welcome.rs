//! `GET /welcome`: congratulates the user on having authenticated. The way out is a button, not a link.

use super::answers::{html, texts};
use super::view::{Layout, Welcome};
use crate::http::forms::Ticket;
use crate::http::guards::CurrentSession;
use crate::http::routes::AppState;
use auth_core::time::Timestamp;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

pub(super) async fn show(
    State(app): State<AppState>,
    CurrentSession(current): CurrentSession,
    headers: HeaderMap,
) -> Response {
    let text = &texts().welcome;
    let ticket = Ticket::new(&app.key_ring, &headers, "/logout");
    let since = current.session.auth_time;
    let page = Welcome {
        layout: Layout::new(texts(), text.title),
        text,
        username: &current.account.username,
        since_machine: formatted(since, "%Y-%m-%dT%H:%M:%SZ"),
        since_human: formatted(since, "%Y-%m-%d %H:%M UTC"),
        token: ticket.token.clone(),
    };
    let mut response = html(StatusCode::OK, &page);
    ticket.attach(response.headers_mut());
    response
}

fn formatted(at: Timestamp, format: &str) -> String {
    let seconds = i64::try_from(at.seconds()).ok();
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map(|at| at.strftime(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_utc() {
        assert_eq!(
            formatted(Timestamp::from_seconds(1_739_459_741), "%Y-%m-%d %H:%M UTC"),
            "2025-02-13 15:15 UTC"
        );
        assert_eq!(formatted(Timestamp(u64::MAX), "%Y"), "");
    }
}
