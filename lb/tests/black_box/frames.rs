//! The corpus over HTTP/2, frame by frame: what no client library would send. The node must see nothing of it.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::limits::CUT_OFF;
use crate::support::client::Client;
use crate::support::node::Conduct;
use crate::support::{PATIENCE, cluster};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers as literals that nobody indexes, without Huffman coding (RFC 7541, 6.2.2).
fn literals(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        let mut length = text.len();
        if length < 127 {
            bytes.push(u8::try_from(length).expect("short"));
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push(u8::try_from(length % 128).expect("short") | 128);
                length /= 128;
            }
            bytes.push(u8::try_from(length).expect("short"));
        }
        bytes.extend(text.as_bytes());
    };
    for (name, value) in headers {
        bytes.push(0);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

/// How the load balancer reacted.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// 200.
    Served,
    /// Another status.
    Refused,
    /// The stream was reset.
    Reset,
    /// The connection was closed.
    Closed,
}

async fn reaction(client: &crate::support::client::Client, headers: &[(&str, &str)], body: &[u8]) -> Reaction {
    let mut stream = client.connect_with("h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let ends = if body.is_empty() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | ends, 1, &literals(headers)));
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, 1, body));
    }
    // The other side may close before it has everything.
    let _ = stream.write_all(&bytes).await;
    let reading = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return Reaction::Closed;
            }
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            if stream.read_exact(&mut payload).await.is_err() {
                return Reaction::Closed;
            }
            match (head[3], head[4]) {
                (SETTINGS, flags) if flags & ACK == 0 => {
                    // The other side may have closed already, which the next read tells.
                    let _ = stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await;
                }
                // `:status 200` is entry 8 of the static table; a change of the table's size may stand before it.
                (HEADERS, _) => {
                    let is_served = payload.iter().find(|byte| **byte >= 0x80) == Some(&0x88);
                    return if is_served { Reaction::Served } else { Reaction::Refused };
                }
                (RST_STREAM, _) => return Reaction::Reset,
                (GOAWAY, _) => return Reaction::Closed,
                (_, _) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("a reaction")
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

const SOUND: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/v1/accounts"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Headers<'a> {
    SOUND.iter().chain(more).copied().collect()
}

/// The sound headers with one value replaced.
fn but<'a>(name: &str, value: &'a str) -> Headers<'a> {
    SOUND
        .iter()
        .map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) })
        .collect()
}

fn without(name: &str) -> Headers<'static> {
    SOUND.iter().filter(|(n, _)| *n != name).copied().collect()
}

/// What breaks out of the text of HTTP/1.1.
fn breakouts() -> Vec<(&'static str, Headers<'static>)> {
    let hidden = "a\r\n\r\nGET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n";
    vec![
        ("CR and LF in a value", with(&[("x-a", hidden)])),
        ("LF in a value", with(&[("x-a", "b\ntransfer-encoding: chunked")])),
        ("NUL in a value", with(&[("x-a", "b\0c")])),
        ("CR and LF in a name", with(&[("x-a: b\r\nx-c", "d")])),
        ("a colon in a name", with(&[("x-a:b", "c")])),
        ("an empty name", with(&[("", "c")])),
        ("a name in upper case", with(&[("X-A", "b")])),
        (
            "CR and LF in the path",
            but(":path", "/v1/accounts HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/sessions"),
        ),
        ("a space in the path", but(":path", "/v1/accounts HTTP/1.1")),
        ("an absolute path", but(":path", "https://evil.example.com/v1/accounts")),
        ("a path without a slash", but(":path", "v1/accounts")),
        ("dots in the path", but(":path", "/x/../v1/accounts")),
        ("an escaped slash", but(":path", "/v1%2faccounts")),
        ("two slashes", but(":path", "//v1/accounts")),
        ("an internal path", but(":path", "/internal/v1/status")),
    ]
}

/// What is missing, doubled or belongs to HTTP/1.1.
fn contradictions() -> Vec<(&'static str, Headers<'static>)> {
    vec![
        ("no path", without(":path")),
        ("no method", without(":method")),
        ("no authority and no Host", without(":authority")),
        ("another authority", but(":authority", "evil.example.com")),
        (
            "an authority with a user",
            but(":authority", "localhost@evil.example.com"),
        ),
        ("CR and LF in the authority", but(":authority", "localhost\r\nx: y")),
        (
            "another Host beside the authority",
            with(&[("host", "evil.example.com")]),
        ),
        ("two authorities", with(&[(":authority", "localhost")])),
        ("two paths", with(&[(":path", "/v1/sessions")])),
        ("an unknown pseudo-header", with(&[(":x", "y")])),
        ("a method with a space", but(":method", "POST /v1/sessions HTTP/1.1")),
        ("CONNECT", but(":method", "CONNECT")),
        ("TRACE", but(":method", "TRACE")),
        ("a coding", with(&[("transfer-encoding", "chunked")])),
        (
            "an upgrade",
            with(&[("upgrade", "websocket"), ("connection", "upgrade")]),
        ),
        ("a header of the last hop", with(&[("connection", "x-a")])),
        ("te with something else", with(&[("te", "gzip")])),
        ("a longer length", with(&[("content-length", "5")])),
        ("a shorter length", with(&[("content-length", "1")])),
        ("two lengths", with(&[("content-length", "2"), ("content-length", "5")])),
        ("a signed length", with(&[("content-length", "+2")])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn se_12_malformed_requests_over_http_2_reach_no_node() {
    let cluster = cluster(1).await;
    let client = cluster.lb.client();
    assert_eq!(
        reaction(client, &with(&[]), b"{}").await,
        Reaction::Served,
        "the control"
    );
    assert_eq!(cluster.nodes[0].seen().len(), 1);

    let mut faults = Vec::new();
    for (what, headers) in breakouts().into_iter().chain(contradictions()) {
        let reaction = reaction(client, &headers, b"{}").await;
        if reaction == Reaction::Served {
            faults.push(what);
        }
    }
    assert_eq!(faults, Vec::<&str>::new(), "these were served");
    // One frame has at most 16 KiB, so that this one needs a size of its own.
    let large = "x".repeat(100 * 1024);
    let too_large = with(&[("x-a", &large)]);
    assert_ne!(reaction(client, &too_large, b"{}").await, Reaction::Served);
    let seen: Vec<String> = cluster.nodes[0]
        .seen()
        .into_iter()
        .skip(1)
        .map(|seen| seen.target)
        .collect();
    assert!(seen.is_empty(), "the node saw {seen:?}");
    assert_eq!(
        reaction(client, &with(&[]), b"{}").await,
        Reaction::Served,
        "it still works"
    );
}

/// Sends the pieces one at a time, the last one again and again, and tells how long it took until the end.
async fn dripped(client: &Client, pause: Duration, pieces: Vec<Vec<u8>>) -> Duration {
    let stream = client.connect_with("h2").await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let start = Instant::now();
    let dripping = tokio::spawn(async move {
        let mut drips = tokio::time::interval(pause);
        let last = pieces.last().cloned().unwrap_or_default();
        for piece in pieces.into_iter().chain(std::iter::repeat(last)) {
            drips.tick().await;
            if writing.write_all(&piece).await.is_err() || writing.flush().await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    // A reset is an end as well.
    let reading = async { drop(reading.read_to_end(&mut answer).await) };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is cut off");
    dripping.abort();
    start.elapsed()
}

pub(crate) fn greeting() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_over_http_2_that_drip_are_cut_off_however_they_drip() {
    let cluster = cluster(1).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let client = cluster.lb.client();
    let block = literals(&with(&[("x-a", &"x".repeat(100))]));
    // A request that is worked on for long: the connection is never without one.
    let mut busy = greeting();
    busy.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &literals(&with(&[]))));
    let opening = frame(HEADERS, 0, 3, &block[..10]);
    let continuation = frame(CONTINUATION, 0, 3, &block[10..11]);
    let in_frames = vec![busy.clone(), opening, continuation];
    // A head that announces more than ever comes.
    let whole = frame(HEADERS, END_HEADERS, 3, &vec![0; 10_000]);
    let in_bytes = vec![busy, whole[..9].to_vec(), vec![0]];
    let in_a_head = vec![greeting(), vec![0], Vec::new()];
    let often = Duration::from_millis(200);
    let all = tokio::join!(
        // Many frames for one block are refused for their number, so these are few.
        dripped(client, Duration::from_secs(3), in_frames),
        dripped(client, often, in_bytes),
        dripped(client, often, in_a_head)
    );
    for (what, took) in [("frames", all.0), ("bytes", all.1), ("the head of a frame", all.2)] {
        assert!(CUT_OFF.contains(&took), "{what}: after {took:?}");
    }
    let seen = cluster.nodes[0].seen();
    assert!(
        seen.iter().all(|seen| !seen.headers.contains_key("x-a")),
        "only the whole requests reach the node"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_http_2_may_rest_between_two_requests() {
    let cluster = cluster(1).await;
    let mut stream = cluster.lb.client().connect_with("h2").await;
    stream.write_all(&greeting()).await.expect("sent");
    for number in [1, 3] {
        if number == 3 {
            // Longer than headers may take: that clock must have stopped.
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        let request = frame(HEADERS, END_HEADERS | END_STREAM, number, &literals(&with(&[])));
        stream.write_all(&request).await.expect("sent");
        let mut seen = 0;
        while seen == 0 {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame");
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            stream.read_exact(&mut vec![0; length]).await.expect("its payload");
            seen += usize::from(head[3] == HEADERS);
        }
    }
    assert_eq!(cluster.nodes[0].seen().len(), 2);
}
