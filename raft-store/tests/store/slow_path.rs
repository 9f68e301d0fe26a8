//! A member that all others reach over a path that is slow, or on which answers are late.
//!
//! Must not look into what it carries.

use std::net::SocketAddr;
use std::time::Duration;

use raft_store::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Cluster, free_addresses};

/// What each connection to the member gets through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowPath {
    pub(crate) bytes_per_second: u64,
    /// How late what the member says is.
    pub(crate) answers_late: Duration,
}

impl SlowPath {
    async fn run(self, listener: TcpListener, target: SocketAddr) {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(self.carry(client, target));
        }
    }

    async fn carry(self, client: TcpStream, target: SocketAddr) {
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                tokio::time::sleep(self.answers_late).await;
                if to_client.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        });
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
            // The pace of the path, not a wait for anything.
            tokio::time::sleep(Duration::from_micros(1_000_000 * count as u64 / self.bytes_per_second)).await;
        }
        back.abort();
    }

    /// Where to listen to be reached over this path, and the address of its other end.
    pub(crate) async fn lay(self) -> (SocketAddr, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (front, back) = (listener.local_addr().unwrap(), free_addresses(1)[0]);
        tokio::spawn(self.run(listener, back));
        (back, front)
    }

    /// The configuration of the founding member `id`, whom everybody sees behind this path.
    pub(crate) async fn before(self, cluster: &mut Cluster, id: u64) -> Config {
        let (listen, front) = self.lay().await;
        for member in &mut cluster.members {
            if member.id == id {
                member.peer_address = front;
            }
        }
        Config {
            listen,
            ..cluster.config(id)
        }
    }
}
