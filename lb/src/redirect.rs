//! The plain listener: it sends whoever forgot about TLS to the front, and does nothing else.
//!
//! Only to host names that are ours, in our own spelling: what a client sent never becomes the host of an address.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::config::{HostList, Redirect};
use crate::limits::{REDIRECT_CONNECTIONS_MAX, REDIRECT_REQUEST_MS_MAX, TARGET_BYTES_MAX};
use crate::live::SharedLive;

/// Answers on `listener` for ever.
pub async fn run(live: SharedLive, listener: TcpListener) {
    let connections = Arc::new(Semaphore::new(REDIRECT_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let live = Arc::clone(&live);
                tokio::spawn(async move {
                    // One request, and a bounded time for it: more than that nobody needs here.
                    let limit = Duration::from_millis(REDIRECT_REQUEST_MS_MAX);
                    let _ = timeout(limit, serve_connection(live, stream)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "redirecting listener cannot accept");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(live: SharedLive, stream: TcpStream) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let config = Arc::clone(&live.load().config);
        let response = config.redirect.as_ref().map_or_else(
            || plain(StatusCode::NOT_FOUND),
            |redirect| answer(&request, redirect, &config.front.hosts),
        );
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that hangs up is no event.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(REDIRECT_REQUEST_MS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// 308 keeps method and body; clients that repeat a form do so over TLS.
fn answer<B>(request: &Request<B>, redirect: &Redirect, hosts: &HostList) -> Response<Empty<Bytes>> {
    let mut sent = request.headers().get_all(header::HOST).iter();
    let named = match (sent.next(), sent.next()) {
        (Some(host), None) => host.to_str().ok(),
        (_, _) => None,
    };
    let Some(named) = named else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let Some(host) = hosts.spelling(named) else {
        return plain(StatusCode::MISDIRECTED_REQUEST);
    };
    let Some(target) = target(request.uri()) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let port = if redirect.https_port == 443 {
        String::new()
    } else {
        format!(":{}", redirect.https_port)
    };
    let mut response = plain(StatusCode::PERMANENT_REDIRECT);
    match header::HeaderValue::from_str(&format!("https://{host}{port}{target}")) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => plain(StatusCode::BAD_REQUEST),
    }
}

/// Path and query, when they are in origin form and cannot be taken for a host.
fn target(uri: &Uri) -> Option<&str> {
    if uri.authority().is_some() {
        return None;
    }
    let target = uri.path_and_query()?.as_str();
    let is_safe = target.starts_with('/') && !target.starts_with("//") && !target.contains('\\');
    (is_safe && target.len() <= TARGET_BYTES_MAX).then_some(target)
}

fn plain(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(target: &str, hosts: &[&str], https_port: u16) -> (u16, String) {
        let names = ["Auth.example.com", "::1"].map(String::from);
        let list = HostList::parse(&names).expect("host names");
        let redirect = Redirect {
            listen: Vec::new(),
            https_port,
        };
        let mut request = Request::post(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let response = answer(&request.body(()).expect("a request"), &redirect, &list);
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or("", |location| location.to_str().expect("text"));
        (response.status().as_u16(), location.to_string())
    }

    #[test]
    fn a_request_for_our_host_goes_to_the_front_as_it_was() {
        assert_eq!(
            answered("/login?next=%2Fa", &["AUTH.example.com:80"], 443),
            (308, "https://auth.example.com/login?next=%2Fa".to_string())
        );
        assert_eq!(
            answered("/", &["[::1]"], 8443),
            (308, "https://[::1]:8443/".to_string())
        );
    }

    #[test]
    fn nobody_is_sent_anywhere_else() {
        for (target, hosts, status) in [
            ("/", &["evil.example.com"][..], 421),
            ("/", &[], 400),
            ("/", &["auth.example.com", "auth.example.com"], 400),
            ("//evil.example.com/", &["auth.example.com"], 400),
            ("/\\evil.example.com/", &["auth.example.com"], 400),
            ("http://evil.example.com/", &["auth.example.com"], 400),
        ] {
            assert_eq!(
                answered(target, hosts, 443),
                (status, String::new()),
                "{target} {hosts:?}"
            );
        }
    }
}
