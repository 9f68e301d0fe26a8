//! The corpus of requests that two programs could read differently, and of those that are simply wrong. A strict node
//! behind the load balancer counts: it must see exactly the requests that were answered with 200, and nothing odd.

mod cases;

use cases::{Case, HIDDEN};

use crate::support::pki::Pki;
use crate::support::program::{Options, Program, configure};
use crate::support::strict::Strict;

fn statuses(answer: &str) -> Vec<&str> {
    let after = answer.split("HTTP/1.").skip(1);
    after.filter_map(|rest| rest.get(2..5)).collect()
}

async fn behind(pki: &Pki) -> (Strict, Program) {
    let strict = Strict::start(pki).await;
    let config = configure(pki, &[], &Options::default());
    let text = std::fs::read_to_string(config).expect("written");
    let node = format!("[[nodes]]\nname = \"node-1\"\naddress = \"{}\"\n", strict.address);
    let lb = Program::start_from(pki, &pki.write("lb.toml", &format!("{text}{node}"))).await;
    lb.until_ready_nodes(1).await;
    (strict, lb)
}

#[tokio::test(flavor = "multi_thread")]
async fn se_12_every_request_of_the_corpus_is_refused_and_the_connection_closed() {
    let pki = Pki::new();
    let (strict, lb) = behind(&pki).await;
    let cases = cases::all();
    assert!(cases.len() > 80, "{} cases", cases.len());
    let (mut running, mut faults) = (Vec::new(), Vec::new());
    for case in cases {
        let client = lb.client().clone();
        running.push(tokio::spawn(async move {
            let (answer, is_closed) = client.raw_to_end(&case.bytes).await;
            (case, answer, is_closed)
        }));
        // A few at a time: each has a handshake.
        if running.len() == 8 {
            judge(&mut running, &mut faults).await;
        }
    }
    judge(&mut running, &mut faults).await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(strict.complaints(), Vec::<String>::new());
    assert_eq!(strict.requests(), Vec::<String>::new());
}

/// Adds to `faults` whatever is not as it should be.
async fn judge(running: &mut Vec<tokio::task::JoinHandle<(Case, String, bool)>>, faults: &mut Vec<String>) {
    for task in running.drain(..) {
        let (case, answer, is_closed) = task.await.expect("no panic");
        let head: String = String::from_utf8_lossy(&case.bytes).chars().take(200).collect();
        let what = format!("{}: {head:?}: {answer}", case.what);
        let statuses = statuses(&answer);
        let is_told = statuses.len() == 1 || (statuses.is_empty() && !case.is_head_too_long());
        if !is_told || !statuses.iter().all(|status| status.starts_with('4')) || !is_closed {
            faults.push(format!("closed {is_closed}: {what}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sees_exactly_the_requests_that_were_accepted() {
    let pki = Pki::new();
    let (strict, lb) = behind(&pki).await;
    let close = "host: localhost\r\nconnection: close\r\n";
    // All of these are fine, though some are unusual.
    let fine = [
        format!("GET /login HTTP/1.1\r\n{close}\r\n"),
        format!("POST /v1/accounts HTTP/1.1\r\n{close}content-length: 2\r\n\r\n{{}}"),
        format!(
            "POST /v1/accounts HTTP/1.1\r\n{close}transfer-encoding: Chunked\r\n\r\n1;a=b\r\n{{\r\n01\r\n}}\r\n0\r\n\r\n"
        ),
        format!(
            "POST /v1/accounts HTTP/1.1\r\n{close}transfer-encoding: chunked\r\ntrailer: x-a\r\nte: trailers\r\n\r\n2\r\n{{}}\r\n0\r\nx-a: b\r\n\r\n"
        ),
        format!("POST /v1/accounts HTTP/1.1\r\n{close}\r\n"),
        format!("DELETE /v1/sessions HTTP/1.1\r\n{close}content-length: 0\r\n\r\n"),
        "GET /login HTTP/1.0\r\nhost: localhost\r\n\r\n".to_string(),
        "GET /login?next=//x/../%2f HTTP/1.1\r\nHost: LOCALHOST:8443\r\nconnection: close, x-gone\r\nx-gone: y\r\n\r\n"
            .to_string(),
    ];
    let mut accepted = 0;
    for request in &fine {
        let (answer, is_closed) = lb.client().raw_to_end(request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["200"], "{request}: {answer}");
        assert!(is_closed, "{request}");
        accepted += 1;
    }
    assert_eq!(strict.complaints(), Vec::<String>::new());
    assert_eq!(strict.requests().len(), accepted, "{:?}", strict.requests());

    // A chunk without a size ends the body for the parser. What follows must not become a request of its own.
    let sizeless = format!(
        "POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"
    );
    let (answer, is_closed) = lb.client().raw_to_end(sizeless.as_bytes()).await;
    assert!(statuses(&answer).len() == 1 && is_closed, "{answer}");
    accepted += usize::from(statuses(&answer) == ["200"]);
    assert_eq!(strict.requests().len(), accepted, "{:?}", strict.requests());

    // Two requests in one piece: the second is answered by itself or dropped with the connection, never merged.
    let two = format!(
        "POST /v1/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}GET /login HTTP/1.1\r\n{close}\r\n"
    );
    let (answer, _) = lb.client().raw_to_end(two.as_bytes()).await;
    let answered = statuses(&answer).len();
    assert_eq!(strict.complaints(), Vec::<String>::new());
    assert_eq!(strict.requests().len(), accepted + answered, "{answer}");
}
