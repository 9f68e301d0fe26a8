//! Each fault, seen by a program at either end.

use super::*;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(10);

/// A link to somebody who sends everything back.
async fn echo() -> (Link, TcpStream) {
    let link = Link::open(7).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    link.lead_to(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ended = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await.unwrap();
    (link, stream)
}

async fn round(stream: &mut TcpStream) -> std::io::Result<Duration> {
    let began = Instant::now();
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"ping");
    Ok(began.elapsed())
}

#[tokio::test]
async fn bytes_come_through_in_order_and_are_counted() {
    let (link, mut stream) = echo().await;
    let sent: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    link.change(|faults| {
        *faults = Faults::both(Way {
            jitter: Duration::from_millis(3),
            ..Way::default()
        });
    });
    let (mut read, mut write) = stream.split();
    let mut got = vec![0; sent.len()];
    let (written, received) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
    written.unwrap();
    received.unwrap();
    assert!(got == sent, "TCP keeps the order, whatever the delays");
    assert_eq!(link.figures().bytes, 2 * sent.len() as u64);
    assert!(link.figures().pieces_struck > 0);
}

#[tokio::test]
async fn a_delay_is_felt_in_each_direction() {
    let (link, mut stream) = echo().await;
    round(&mut stream).await.unwrap();
    link.change(|faults| faults.forward.delay = SHORT);
    let one = round(&mut stream).await.unwrap();
    link.change(|faults| faults.back.delay = SHORT);
    let both = round(&mut stream).await.unwrap();
    assert!(one >= SHORT && both >= 2 * SHORT, "{one:?} {both:?}");
}

#[tokio::test]
async fn what_a_black_hole_held_comes_out_when_it_is_closed() {
    let (link, mut stream) = echo().await;
    round(&mut stream).await.unwrap();
    link.change(|faults| faults.back = Way::cut());
    assert!(timeout(SHORT, round(&mut stream)).await.is_err(), "nothing comes back");
    link.heal();
    let mut answer = [0; 4];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"ping");
}

#[tokio::test]
async fn loss_is_a_pause_of_a_retransmission() {
    let (link, mut stream) = echo().await;
    link.change(|faults| faults.forward.loss_percent = 100);
    let took = round(&mut stream).await.unwrap();
    assert!(took >= Duration::from_millis(200 + 400 + 800), "{took:?}");
}

#[tokio::test]
async fn a_narrow_way_takes_its_time() {
    let (link, mut stream) = echo().await;
    link.change(|faults| faults.forward.bytes_per_second = Some(40));
    let took = round(&mut stream).await.unwrap();
    assert!(took >= Duration::from_millis(100), "{took:?}");
}

#[tokio::test]
async fn a_reset_ends_open_connections_and_a_refusal_new_ones() {
    let (link, mut stream) = echo().await;
    round(&mut stream).await.unwrap();
    link.reset();
    let mut rest = Vec::new();
    let ended = timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_err(), "a reset is no orderly end: {ended:?}");
    link.change(|faults| faults.refusing = true);
    let mut refused = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await.unwrap();
    assert!(timeout(LONG, round(&mut refused)).await.unwrap().is_err());
    assert_eq!(link.figures().resets, 2);
    link.heal();
    let mut again = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await.unwrap();
    round(&mut again).await.unwrap();
}

#[tokio::test]
async fn a_one_way_cut_holds_what_one_says_on_connections_of_both() {
    let network = Network::open(3, 1, 1).await.unwrap();
    network.change("node-1", "node-2", Way::cut());
    let seen = |from: &str, to: &str| network.link_faults(from, to);
    assert!(seen("node-1", "node-2").forward.held && !seen("node-1", "node-2").back.held);
    assert!(seen("node-2", "node-1").back.held && !seen("node-2", "node-1").forward.held);
    assert_eq!(seen("node-1", "node-3"), Faults::default());
    network.change_around("node-3", Way::cut(), true);
    assert!(seen("lb-1", "node-3").forward.held && seen("node-3", "node-1").forward.held);
    network.heal();
    assert_eq!(seen("node-1", "node-2"), Faults::default());
    assert_eq!(
        network.wiring().port("lb-1", "node-1", 1),
        network.link_port("lb-1", "node-1")
    );
}

impl Network {
    fn link_faults(&self, from: &str, to: &str) -> Faults {
        let mut found = Faults::default();
        self.link(from, to).unwrap().change(|faults| found = *faults);
        found
    }

    fn link_port(&self, from: &str, to: &str) -> u16 {
        self.link(from, to).unwrap().port()
    }
}
