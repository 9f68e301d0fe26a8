//! The operator's door: HTTP over a Unix socket in the data folder. Whoever may open the socket, by the rights of the
//! folder and of the file, may change the cluster; nothing of it can be reached over a network.
//!
//! Decides nothing: the store and its leader do.

use super::ops::json;
use crate::clock;
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTIONS_MAX};
use crate::shutdown::Stop;
use auth_api::cluster::{
    self as wire, ClusterView, Init, LeaderWish, MemberView, NewToken, Removal, Said, TokenWish, VersionWish, VoterWish,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use http::{Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use raft_store::{ClusterInfo, MemberInfo, OperationError, Store};
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Binds the socket in the data folder, for this user alone. A socket that a dead process left is replaced: the folder
/// is locked by this one.
///
/// # Errors
/// The folder cannot be written.
pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
    // Paths of sockets are limited to 107 bytes, folders are not: the socket is made through a handle of its folder.
    let folder = std::fs::File::open(data_dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(wire::SOCKET_FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `stop`.
pub async fn serve(listener: UnixListener, router: Router, mut stop: Stop) {
    let slots = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.wait() => return,
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        match accepted {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    exchange(stream, router).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an operator");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn exchange(stream: UnixStream, router: Router) {
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move { router.oneshot(request.map(Body::new)).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an operator's connection ended early");
    }
}

/// Everything that an operator can ask of the cluster.
pub fn router(store: Store) -> Router {
    Router::new()
        .route(wire::CLUSTER, get(show))
        .route(wire::INIT, post(init))
        .route(wire::TOKENS, post(add_token))
        .route(wire::VOTERS, post(add_voter))
        .route(wire::REMOVALS, post(remove))
        .route(wire::LEADER, post(lead))
        .route(wire::VERSION, post(raise_version))
        .layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX))
        .with_state(store)
}

type Answered = Result<Response<Body>, Response<Body>>;

/// What was asked cannot be understood.
struct NotUnderstood(serde_json::Error);

impl From<NotUnderstood> for Response<Body> {
    fn from(NotUnderstood(error): NotUnderstood) -> Self {
        said(StatusCode::BAD_REQUEST, format!("not understood: {error}"))
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, NotUnderstood> {
    serde_json::from_slice(body).map_err(NotUnderstood)
}

fn said(status: StatusCode, message: impl Into<String>) -> Response<Body> {
    let message = message.into();
    json(status, &Said { message })
}

fn done(message: impl Into<String>) -> Response<Body> {
    let message = message.into();
    tracing::info!(message, "an operator changed the cluster");
    said(StatusCode::OK, message)
}

fn failed(error: OperationError) -> Response<Body> {
    match error {
        OperationError::Refused(text) => said(StatusCode::CONFLICT, text),
        unfinished @ OperationError::Unfinished(_) => said(StatusCode::SERVICE_UNAVAILABLE, unfinished.to_string()),
    }
}

fn until(seconds: u64) -> Instant {
    clock::monotonic() + Duration::from_secs(seconds.min(wire::WAIT_SECONDS_MAX))
}

async fn show(State(store): State<Store>) -> Answered {
    let info = store.cluster_info(until(5)).await.map_err(failed)?;
    Ok(json(StatusCode::OK, &view(info)))
}

fn view(info: ClusterInfo) -> ClusterView {
    ClusterView {
        cluster_id: hex(info.cluster_id),
        cluster_version: info.cluster_version,
        leader_id: info.leader,
        last_log: info.last_log,
        changing: info.changing,
        members: info.members.into_iter().map(member).collect(),
    }
}

fn member(info: MemberInfo) -> MemberView {
    MemberView {
        id: info.id,
        name: info.name,
        address: info.address,
        incarnation: hex(info.incarnation),
        part: info.part.as_str().to_owned(),
        replaces: info.replaces,
        matched: info.matched,
        versions: info.versions.map(|versions| (versions.min, versions.max)),
        clock_ahead_ms: info.clock_ahead_ms,
    }
}

fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

async fn init(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: Init = read(&body)?;
    let cluster_id = match wish.cluster_id.as_deref().map(|text| u128::from_str_radix(text, 16)) {
        None => None,
        Some(Ok(id)) => Some(id.to_be_bytes()),
        Some(Err(_)) => {
            return Err(said(
                StatusCode::BAD_REQUEST,
                "cluster_id: not 32 hexadecimal characters",
            ));
        }
    };
    let formed = store
        .form_cluster(wish.expect, cluster_id, until(wish.wait_seconds))
        .await;
    formed.map(done).map_err(failed)
}

async fn add_token(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: TokenWish = read(&body)?;
    let life = Duration::from_secs(wish.valid_seconds);
    let token = store
        .add_join_token(life, wish.replaces, until(wish.wait_seconds))
        .await
        .map_err(failed)?;
    tracing::info!(
        replaces = wish.replaces,
        seconds = wish.valid_seconds,
        "an operator made a join token"
    );
    Ok(json(StatusCode::OK, &NewToken { token: token.expose() }))
}

async fn add_voter(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: VoterWish = read(&body)?;
    store
        .add_voter(wish.id, wish.replaces, until(wish.wait_seconds))
        .await
        .map_err(failed)?;
    let message = match wish.replaces {
        Some(old) => format!("node {} votes in the place of node {old}", wish.id),
        None => format!("node {} votes", wish.id),
    };
    Ok(done(message))
}

async fn remove(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: Removal = read(&body)?;
    store
        .remove_member(wish.id, until(wish.wait_seconds))
        .await
        .map_err(failed)?;
    Ok(done(format!("node {} is removed, and its id for ever", wish.id)))
}

async fn lead(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: LeaderWish = read(&body)?;
    store
        .transfer_leader(wish.to, until(wish.wait_seconds))
        .await
        .map_err(failed)?;
    Ok(done(match wish.to {
        Some(id) => format!("node {id} leads"),
        None => "another node leads".into(),
    }))
}

async fn raise_version(State(store): State<Store>, body: Bytes) -> Answered {
    let wish: VersionWish = read(&body)?;
    store
        .upgrade_cluster(wish.to, until(wish.wait_seconds))
        .await
        .map_err(failed)?;
    Ok(done(format!("the cluster has version {}", wish.to)))
}
