//! Keys and mail at the operator's door: what there is, the next signing key, and mail in quarantine.
//!
//! Shows ids, times and counts; no key, no address, no code.

use super::operators::{read, said};
use super::ops::json;
use super::times::rfc_3339;
use crate::replication::Replication;
use crate::resealing::sealed_by_key;
use crate::secrets::KeyRing;
use crate::signing::{Rotation, SigningKeys};
use crate::{clock, entropy};
use auth_api::operator::{
    self as wire, KeysView, MAILS_SHOWN_MAX, MailView, QuarantinedView, ResealedView, SigningKeyView,
};
use auth_core::command::{Command, ReleaseMail};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::keys::{KeyState, states};
use auth_core::outbox::{Mail, MailTemplate};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::{get, post};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// For one change.
const CHANGE_MAX: Duration = Duration::from_secs(5);

/// What these calls work on.
#[derive(Clone)]
pub struct Custody {
    /// The log.
    pub replication: Replication,
    /// The key ring of this node.
    pub ring: Arc<KeyRing>,
    /// The signing keys of this node.
    pub signing: SigningKeys,
    /// How long keys are kept.
    pub rotation: Rotation,
}

/// The routes.
pub fn router(custody: Custody) -> Router {
    Router::new()
        .route(wire::KEYS, get(show_keys))
        .route(wire::ROTATE_SIGNING_KEY, post(rotate))
        .route(wire::MAIL, get(show_mail))
        .route(wire::RELEASE_MAIL, post(release))
        .with_state(custody)
}

fn fault(error: impl ToString) -> Response<Body> {
    said(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn show_keys(State(custody): State<Custody>) -> Response<Body> {
    // Walks over all that is sealed: not on a thread that answers heartbeats.
    let listed = tokio::task::spawn_blocking(move || list(&custody)).await;
    match listed {
        Ok(Ok(keys)) => json(StatusCode::OK, &keys),
        Ok(Err(error)) => fault(error),
        Err(error) => fault(error),
    }
}

fn list(custody: &Custody) -> Result<KeysView, auth_core::error::Fault> {
    let view = custody.replication.view();
    let now = clock::now().max(query::log_clock(&view)?);
    let keys = query::signing_keys(&view)?;
    let states = states(&keys, now);
    let signing = keys.iter().zip(states).map(|(key, state)| SigningKeyView {
        kid: key.kid.clone(),
        state: word(state).to_owned(),
        activates_at: rfc_3339(key.activates_at()),
        retires_at: key.retires_at.map(rfc_3339),
    });
    let resealed = query::reseal_progress(&view)?.map(|progress| ResealedView {
        key: progress.key,
        count: progress.count,
        finished: progress.cursor.is_none(),
        started_at: rfc_3339(progress.started_at),
        updated_at: rfc_3339(progress.updated_at),
    });
    Ok(KeysView {
        ring_active: custody.ring.active(),
        ring_ids: custody.ring.ids().collect(),
        sealed_values_by_key: sealed_by_key(&view)?,
        resealed,
        signing_keys: signing.collect(),
    })
}

fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Verifying => "verifying",
        KeyState::Retired => "retired",
    }
}

/// The key that is published and does not sign yet.
fn waiting_key(custody: &Custody) -> Result<Option<String>, auth_core::error::Fault> {
    let view = custody.replication.view();
    let keys = query::signing_keys(&view)?;
    let now = clock::now().max(query::log_clock(&view)?);
    let next = states(&keys, now).into_iter().position(|state| state == KeyState::Next);
    Ok(next.and_then(|at| keys.get(at)).map(|key| key.kid.clone()))
}

async fn rotate(State(custody): State<Custody>) -> Response<Body> {
    match waiting_key(&custody) {
        Ok(None) => {}
        Ok(Some(kid)) => {
            let message = format!("signing key {kid} is published already and will sign next: rotate again after that");
            return said(StatusCode::CONFLICT, message);
        }
        Err(error) => return fault(error),
    }
    let keep = custody.rotation.keep_seconds;
    let rotated = custody.signing.rotate(&custody.replication, &custody.ring, keep).await;
    match rotated {
        Ok(kid) => said(
            StatusCode::OK,
            format!("signing key {kid} is published and signs in ten minutes"),
        ),
        Err(error) => said(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn show_mail(State(custody): State<Custody>) -> Response<Body> {
    let view = custody.replication.view();
    let shown = query::outbox(&view, MAILS_SHOWN_MAX).and_then(|waiting| {
        let quarantined = query::quarantine(&view, MAILS_SHOWN_MAX)?;
        Ok(MailView {
            waiting: waiting.len(),
            quarantined: quarantined.into_iter().map(quarantined_view).collect(),
        })
    });
    match shown {
        Ok(mail) => json(StatusCode::OK, &mail),
        Err(error) => fault(error),
    }
}

fn quarantined_view(mail: Mail) -> QuarantinedView {
    QuarantinedView {
        key: mail.key,
        kind: kind(&mail.template).to_owned(),
        created_at: rfc_3339(mail.created_at),
        attempts: mail.attempts,
        reason: mail.last_error,
    }
}

fn kind(template: &MailTemplate) -> &'static str {
    match template {
        MailTemplate::AddressAlreadyRegistered {} => "address_already_registered",
        MailTemplate::AuthenticatorAdded { .. } => "authenticator_added",
        MailTemplate::LoginCode { .. } => "login_code",
        MailTemplate::ConfirmAddress { .. } => "confirm_address",
        MailTemplate::ResetPassword { .. } => "reset_password",
        MailTemplate::AddressChanged { .. } => "address_changed",
        MailTemplate::Notice { .. } => "notice",
    }
}

async fn release(State(custody): State<Custody>, body: Bytes) -> Response<Body> {
    let wire::ReleaseMail { key, retry } = match read(&body) {
        Ok(wish) => wish,
        Err(answer) => return answer,
    };
    let entry = Entry {
        request_id: RequestId(entropy::bytes()),
        at: clock::now(),
        client: Client::default(),
        command: Command::ReleaseMail(ReleaseMail { key, retry }),
    };
    let deadline = clock::monotonic() + CHANGE_MAX;
    match custody.replication.propose(&entry, deadline).await {
        Ok(Reply::Done {}) if retry => said(StatusCode::OK, format!("mail {key} is tried again")),
        Ok(Reply::Done {}) => said(StatusCode::OK, format!("mail {key} is forgotten")),
        Ok(Reply::Denied(Denial::NotFound {})) => {
            said(StatusCode::CONFLICT, format!("there is no mail {key} in quarantine"))
        }
        Ok(reply) => said(StatusCode::CONFLICT, format!("not released: {}", reply.outcome())),
        Err(error) => said(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::testing::single_node;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    async fn ask(router: &Router, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn jw_7_an_operator_sees_keys_and_makes_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let replication = single_node(dir.path()).await;
        let (ring, signing) = (Arc::new(KeyRing::for_tests()), SigningKeys::default());
        while !signing.ensure(&replication, &ring).await.unwrap() {}
        let rotation = Rotation {
            after_seconds: None,
            keep_seconds: 3600,
        };
        let router = router(Custody {
            replication,
            ring,
            signing,
            rotation,
        });
        let (status, before) = ask(&router, "GET", "/keys", &json!(null)).await;
        assert_eq!(
            (status, &before["ring_active"], &before["ring_ids"]),
            (200, &json!(1), &json!([1]))
        );
        assert_eq!(
            before["sealed_values_by_key"],
            json!({"1": 1}),
            "the signing key itself"
        );
        assert_eq!(before["signing_keys"][0]["state"], "active");
        let (status, said) = ask(&router, "POST", "/keys/rotate", &json!(null)).await;
        assert_eq!(status, 200, "{said}");
        let (_, after) = ask(&router, "GET", "/keys", &json!(null)).await;
        assert_eq!(after["signing_keys"][1]["state"], "next");
        assert_eq!(
            ask(&router, "POST", "/keys/rotate", &json!(null)).await.0,
            409,
            "one at a time"
        );
        assert_eq!(
            ask(&router, "GET", "/mail", &json!(null)).await,
            (200, json!({"waiting": 0, "quarantined": []}))
        );
        let release = json!({"key": 1, "retry": true});
        assert_eq!(ask(&router, "POST", "/mail/release", &release).await.0, 409);
        assert_eq!(ask(&router, "POST", "/mail/release", &json!({"key": 1})).await.0, 400);
    }
}
