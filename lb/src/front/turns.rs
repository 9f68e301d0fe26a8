//! A client's connection that speaks HTTP/1: one request after the other, and rests between them.
//!
//! pingora would begin the next request at once, and hold the state of a whole request while it waits for the first byte of
//! it. Here a request begins with its first byte: a connection that rests costs its TLS state and little else.
//!
//! While the process leaves, a connection ends with its next answer, or when its client has been silent for [`DRAIN_SILENCE_MS`]:
//! to close it at once would lose the request that is on its way.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::io::AsyncWriteExt;
use tokio::time::{Sleep, sleep, timeout};

use super::Front;
use super::stream::ClientStream;
use crate::clock;
use crate::limits::{CLIENT_IDLE_SECONDS_MAX, CLIENT_WRITE_MS_MAX, DRAIN_SILENCE_MS, REQUESTS_PER_CONNECTION_MAX};

const REST_MAX: Duration = Duration::from_secs(CLIENT_IDLE_SECONDS_MAX);
const LAST_REST_MAX: Duration = Duration::from_millis(DRAIN_SILENCE_MS);

/// How a rest ends.
enum Next {
    /// With the first bytes of a request.
    Request,
    /// The client left.
    Nothing,
    /// It lasted too long.
    Silence,
}

/// Serves a connection to its end.
pub(super) async fn serve(front: &Front, mut stream: Box<ClientStream>, shutdown: &ShutdownWatch) {
    let mut watch = shutdown.clone();
    let mut closing = pin!(watch.wait_for(|closes| *closes));
    let mut alarm = pin!(sleep(REST_MAX));
    let mut longest = REST_MAX;
    let mut kept = None;
    loop {
        let since = clock::now();
        let next = poll_fn(|cx| {
            if let Poll::Ready(has_begun) = stream.poll_begun(cx) {
                return Poll::Ready(if has_begun { Next::Request } else { Next::Nothing });
            }
            if longest == REST_MAX && closing.as_mut().poll(cx).is_ready() {
                longest = LAST_REST_MAX;
                alarm.as_mut().reset((since + longest).into());
            }
            if is_over(alarm.as_mut(), since + longest, cx) {
                return Poll::Ready(Next::Silence);
            }
            Poll::Pending
        });
        match next.await {
            Next::Request => {}
            Next::Nothing => return,
            Next::Silence => {
                // Told in order that it is over; whoever does not take even that is not waited for.
                let _ = timeout(Duration::from_millis(CLIENT_WRITE_MS_MAX), stream.shutdown()).await;
                return;
            }
        }
        let session = session(stream, kept.take(), *shutdown.borrow());
        let Some(reusable) = front.app.process_new_http(session, shutdown).await else {
            return;
        };
        let (next, settings) = reusable.consume();
        let Ok(next) = next.into_any().downcast() else {
            return;
        };
        (stream, kept) = (next, settings);
    }
}

/// Whether a rest that may last until `due` is over. The alarm is set anew only when it rings: most rests are short.
fn is_over(mut alarm: Pin<&mut Sleep>, due: Instant, cx: &mut Context<'_>) -> bool {
    while alarm.as_mut().poll(cx).is_ready() {
        if due <= clock::now() {
            return true;
        }
        alarm.as_mut().reset(due.into());
    }
    false
}

fn session(stream: Box<ClientStream>, kept: Option<HttpPersistentSettings>, closes: bool) -> ServerSession {
    let mut session = ServerSession::new_http1(stream);
    match kept {
        Some(settings) => settings.apply_to_session(&mut session),
        None => {
            session.set_keepalive((!closes).then_some(CLIENT_IDLE_SECONDS_MAX));
            session.set_keepalive_reuses_remaining(Some(REQUESTS_PER_CONNECTION_MAX));
        }
    }
    session
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn an_alarm_that_rings_for_an_earlier_rest_is_set_anew() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut alarm = pin!(sleep(Duration::ZERO));
        alarm.as_mut().await;
        assert!(!is_over(alarm.as_mut(), clock::now() + Duration::from_secs(9), &mut cx));
        assert!(!alarm.is_elapsed());
    }

    #[tokio::test]
    async fn a_rest_that_is_too_long_is_over() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut alarm = pin!(sleep(Duration::ZERO));
        alarm.as_mut().await;
        assert!(is_over(alarm.as_mut(), clock::now(), &mut cx));
    }
}
