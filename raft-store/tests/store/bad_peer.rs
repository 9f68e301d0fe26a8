//! Whoever dials a member and is not what a member should be: each is refused with a number for programs and words for
//! people. The bytes are written by hand here, as another version of the program would.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{CLUSTER, Cluster, SUFFIX, count_up};
use raft_store::PeerTls;

const PROTOCOL: u16 = 3;
const PROTOCOL_REFUSED: u16 = 1;
const CLUSTER_REFUSED: u16 = 2;
const TARGET_REFUSED: u16 = 3;
const UNKNOWN_REFUSED: u16 = 4;
const NAME_REFUSED: u16 = 5;
const CERTIFICATE_REFUSED: u16 = 6;
const INCARNATION_REFUSED: u16 = 7;
const CLUSTER_VERSION_REFUSED: u16 = 9;
const RESTORED_REFUSED: u16 = 10;
const REFUSAL_FRAME: u8 = 0x81;

/// A greeting; tests spoil one part.
#[derive(Clone)]
struct Hello {
    protocols: (u16, u16),
    purpose: u8,
    cluster: [u8; 16],
    from: u64,
    name: &'static str,
    incarnation: [u8; 16],
    target: u64,
    versions: (u32, u32),
    /// This life and how far it got.
    life: ([u8; 16], u64),
}

/// What node 2 would say.
fn hello(cluster: &Cluster) -> Hello {
    let store = cluster.store(2);
    Hello {
        protocols: (PROTOCOL, PROTOCOL),
        purpose: 0,
        cluster: CLUSTER,
        from: 2,
        name: "node-2",
        incarnation: store.status().incarnation,
        target: 1,
        versions: (1, 2),
        life: (store.status().life, store.metrics().guard_writes),
    }
}

impl Hello {
    fn bytes(&self) -> Vec<u8> {
        let name = u32::try_from(self.name.len()).unwrap();
        [
            b"TFRS".as_slice(),
            &self.protocols.0.to_be_bytes(),
            &self.protocols.1.to_be_bytes(),
            &[self.purpose],
            &self.cluster,
            &self.from.to_be_bytes(),
            &name.to_be_bytes(),
            self.name.as_bytes(),
            &self.incarnation,
            &self.target.to_be_bytes(),
            &self.versions.0.to_be_bytes(),
            &self.versions.1.to_be_bytes(),
            &self.life.0,
            &self.life.1.to_be_bytes(),
            &1_u64.to_be_bytes(),
            &0_u64.to_be_bytes(),
            &0_u32.to_be_bytes(),
        ]
        .concat()
    }
}

async fn dial(cluster: &Cluster, tls: PeerTls) -> TlsStream<TcpStream> {
    let address = cluster.members[0].peer_address;
    let name = ServerName::try_from(format!("node-1.{SUFFIX}")).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(tls.client).connect(name, tcp).await.unwrap()
}

async fn write_block(stream: &mut TlsStream<TcpStream>, body: &[u8]) {
    stream.write_u32(u32::try_from(body.len()).unwrap()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream.flush().await.unwrap();
}

async fn read_block(stream: &mut TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let read = async {
        let length = stream.read_u32().await.ok()?;
        let mut body = vec![0; length as usize];
        stream.read_exact(&mut body).await.ok()?;
        Some(body)
    };
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("an answer or an end")
}

/// Number and words of the answer to a greeting; zero for a welcome.
async fn greet(stream: &mut TlsStream<TcpStream>, hello: &Hello) -> (u16, String) {
    write_block(stream, &hello.bytes()).await;
    let welcome = read_block(stream).await.expect("every greeting is answered");
    let code = u16::from_be_bytes([welcome[8], welcome[9]]);
    let length = usize::from(welcome[13]) + 256 * usize::from(welcome[12]);
    (code, String::from_utf8(welcome[14..14 + length].to_vec()).unwrap())
}

/// A connection of node 2 whose greeting is right. The real node 2 may get on between the words of a greeting and its
/// arrival: then another one is made.
async fn welcomed(cluster: &Cluster) -> TlsStream<TcpStream> {
    loop {
        let mut stream = dial(cluster, cluster.authority.tls("node-2")).await;
        match greet(&mut stream, &hello(cluster)).await {
            (0, _) => return stream,
            (RESTORED_REFUSED, _) => {}
            other => panic!("the unspoilt one is welcome: {other:?}"),
        }
    }
}

async fn refused(cluster: &Cluster, what: &str, hello: Hello, code: u16, words: &str) {
    let mut stream = dial(cluster, cluster.authority.tls("node-2")).await;
    let answer = greet(&mut stream, &hello).await;
    assert_eq!(answer.0, code, "{what}: {answer:?}");
    assert!(answer.1.contains(words), "{what}: {answer:?}");
    assert!(read_block(&mut stream).await.is_none(), "{what}: the connection ends");
}

/// Greetings of which one part each is wrong, with the number and some words of the answer.
fn spoilt(good: &Hello) -> [(&'static str, Hello, u16, &'static str); 10] {
    let spoil = |change: &dyn Fn(&mut Hello)| {
        let mut hello = good.clone();
        change(&mut hello);
        hello
    };
    [
        (
            "another protocol",
            spoil(&|h| h.protocols = (9, 8)),
            PROTOCOL_REFUSED,
            "8 to 9",
        ),
        (
            "another cluster",
            spoil(&|h| h.cluster = [9; 16]),
            CLUSTER_REFUSED,
            "is not ours",
        ),
        (
            "another target",
            spoil(&|h| h.target = 3),
            TARGET_REFUSED,
            "this is node 1",
        ),
        (
            "nobody",
            spoil(&|h| h.from = 4),
            UNKNOWN_REFUSED,
            "node 4 is not a member",
        ),
        (
            "another's id",
            spoil(&|h| h.from = 3),
            NAME_REFUSED,
            "node 3 is \"node-3\"",
        ),
        (
            "another's name",
            spoil(&|h| h.name = "node-3"),
            CERTIFICATE_REFUSED,
            "certificate",
        ),
        (
            "another folder",
            spoil(&|h| h.incarnation = [9; 16]),
            INCARNATION_REFUSED,
            "new id",
        ),
        (
            "an old program",
            spoil(&|h| h.versions = (0, 0)),
            CLUSTER_VERSION_REFUSED,
            "the cluster has version 1",
        ),
        (
            "an image with its memory",
            spoil(&|h| h.life.1 = 1),
            RESTORED_REFUSED,
            "older image",
        ),
        (
            "another run of the folder",
            spoil(&|h| h.life.0 = [9; 16]),
            RESTORED_REFUSED,
            "knows nothing of",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_is_wrong_in_any_part_is_refused_with_its_reason() {
    let cluster = Cluster::formed(3).await;
    for (what, hello, code, words) in spoilt(&hello(&cluster)) {
        refused(&cluster, what, hello, code, words).await;
    }
    drop(welcomed(&cluster).await);
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_an_unknown_kind_is_refused_and_one_over_the_limit_ends_the_connection() {
    let cluster = Cluster::formed(3).await;
    let good = hello(&cluster);
    let mut stream = welcomed(&cluster).await;
    for kind in [99_u8, 0] {
        write_block(&mut stream, &[&[kind][..], &7_u64.to_be_bytes(), b"payload"].concat()).await;
        let answer = read_block(&mut stream).await.expect("an answer");
        assert_eq!(answer[0], REFUSAL_FRAME);
        assert_eq!(answer[1..9], 7_u64.to_be_bytes(), "to this request");
        let words = String::from_utf8_lossy(&answer[9..]);
        assert!(words.contains(&format!("kind {kind}")), "{words}");
    }
    stream.write_u32(u32::MAX).await.unwrap();
    stream.flush().await.unwrap();
    assert!(read_block(&mut stream).await.is_none());
    // A guest may ask to be let in, nothing else.
    let mut stream = dial(&cluster, cluster.authority.tls("node-2")).await;
    let mut guest = good;
    guest.purpose = 1;
    assert_eq!(greet(&mut stream, &guest).await.0, 0);
    write_block(&mut stream, &[&[7_u8][..], &7_u64.to_be_bytes(), &[1]].concat()).await;
    assert!(read_block(&mut stream).await.is_none(), "a read index is for members");
    assert_eq!(count_up(cluster.any(), 1, "k").await, 1);
    cluster.stop_all().await;
}
