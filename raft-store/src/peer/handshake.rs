//! The greeting on every connection: who dials, whom it wants, in which cluster.
//!
//! TLS has proved by then that both hold certificates of the cluster's CA. The greeting makes sure that they are the
//! members they claim to be, on the data folders they had when they joined. Must refuse anything in doubt.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use parking_lot::RwLock;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::frame::read_block;
use crate::codec::{Decoded, Decoder, Encoder};
use crate::config::Config;
use crate::identity::{Identity, hex};
use crate::limits::HELLO_BYTES_MAX;
use crate::types::PeerNode;

const MAGIC: [u8; 4] = *b"TFRS";
const PROTOCOL: u16 = 1;

/// What this member knows about the others, and about itself.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) me: Identity,
    pub(crate) my_name: String,
    suffix: String,
    configured: BTreeMap<u64, PeerNode>,
    recorded: RwLock<BTreeMap<u64, PeerNode>>,
}

/// What the dialling side says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hello {
    cluster_id: [u8; 16],
    from: u64,
    name: String,
    incarnation: [u8; 16],
    target: u64,
}

/// What the accepting side says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Welcome {
    /// Empty if the connection is accepted.
    refusal: String,
    node_id: u64,
    incarnation: [u8; 16],
}

impl Directory {
    pub(crate) fn new(config: &Config, me: Identity) -> Self {
        let node = |member: &crate::Member| PeerNode {
            name: member.name.clone(),
            address: member.peer_address.to_string(),
            incarnation: [0; 16],
        };
        Self {
            me,
            my_name: config.name.clone(),
            suffix: config.tls.server_name_suffix.clone(),
            configured: config.members.iter().map(|member| (member.id, node(member))).collect(),
            recorded: RwLock::default(),
        }
    }

    /// Takes over what the replicated membership says.
    pub(crate) fn record(&self, nodes: BTreeMap<u64, PeerNode>) {
        *self.recorded.write() = nodes;
    }

    /// A member by id: where to find it is for the configuration to say, which is newer than the membership.
    pub(crate) fn member(&self, id: u64) -> Option<PeerNode> {
        let recorded = self.recorded.read().get(&id).cloned();
        match self.configured.get(&id) {
            Some(configured) => {
                let incarnation = recorded.map_or([0; 16], |node| node.incarnation);
                Some(PeerNode {
                    incarnation,
                    ..configured.clone()
                })
            }
            None => recorded,
        }
    }

    pub(crate) fn address(&self, id: u64) -> Option<SocketAddr> {
        self.member(id).and_then(|node| node.address.parse().ok())
    }

    /// Ids of the configuration, without this member.
    pub(crate) fn others(&self) -> Vec<u64> {
        self.configured
            .keys()
            .copied()
            .filter(|id| *id != self.me.node_id)
            .collect()
    }

    pub(crate) fn configured(&self) -> &BTreeMap<u64, PeerNode> {
        &self.configured
    }

    /// The name that a member's certificate has to carry.
    pub(crate) fn server_name(&self, name: &str) -> io::Result<ServerName<'static>> {
        ServerName::try_from(format!("{name}.{}", self.suffix)).map_err(io::Error::other)
    }

    /// A member on another folder than the one it joined with has lost what it promised.
    fn check_incarnation(&self, id: u64, name: &str, incarnation: [u8; 16]) -> Result<(), String> {
        let recorded = self.member(id).map_or([0; 16], |node| node.incarnation);
        if recorded == [0; 16] || recorded == incarnation {
            return Ok(());
        }
        Err(format!(
            "{name} (node {id}) came back on data folder {}, it joined with {}; it has to join under a new id",
            hex(&incarnation),
            hex(&recorded)
        ))
    }

    fn check_hello(&self, hello: &Hello, certificate: Option<&CertificateDer<'_>>) -> Result<(), String> {
        if hello.cluster_id != self.me.cluster_id {
            return Err(format!(
                "cluster {} is not ours, {}",
                hex(&hello.cluster_id),
                hex(&self.me.cluster_id)
            ));
        }
        if hello.target != self.me.node_id {
            return Err(format!("this is node {}, not node {}", self.me.node_id, hello.target));
        }
        match self.member(hello.from) {
            None => return Err(format!("node {} is not a member", hello.from)),
            Some(member) if member.name != hello.name => {
                return Err(format!(
                    "node {} is {:?} here, not {:?}",
                    hello.from, member.name, hello.name
                ));
            }
            Some(_) => {}
        }
        let expected = self.server_name(&hello.name).map_err(|error| error.to_string())?;
        let certificate = certificate.ok_or("no client certificate")?;
        ParsedCertificate::try_from(certificate)
            .and_then(|certificate| verify_server_name(&certificate, &expected))
            .map_err(|error| format!("the client certificate is not for {}: {error}", expected.to_str()))?;
        self.check_incarnation(hello.from, &hello.name, hello.incarnation)
    }

    /// The dialling side's part.
    pub(crate) async fn greet(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        target: u64,
    ) -> io::Result<()> {
        let hello = Hello {
            cluster_id: self.me.cluster_id,
            from: self.me.node_id,
            name: self.my_name.clone(),
            incarnation: self.me.incarnation,
            target,
        };
        write_block(stream, &hello.encode()).await?;
        let answer = read_block(stream, HELLO_BYTES_MAX).await?;
        let answer = answer.ok_or_else(|| io::Error::other("the member closed the connection without a greeting"))?;
        let welcome = Welcome::decode(answer.freeze()).map_err(io::Error::other)?;
        if !welcome.refusal.is_empty() {
            return Err(io::Error::other(format!(
                "node {target} refused us: {}",
                welcome.refusal
            )));
        }
        if welcome.node_id != target {
            return Err(io::Error::other(format!(
                "node {} answered instead of node {target}",
                welcome.node_id
            )));
        }
        let name = self.member(target).map_or_else(String::new, |member| member.name);
        self.check_incarnation(target, &name, welcome.incarnation)
            .map_err(io::Error::other)
    }

    /// The accepting side's part; the id of the member that dialled.
    pub(crate) async fn receive(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        certificate: Option<&CertificateDer<'_>>,
    ) -> io::Result<u64> {
        let block = read_block(stream, HELLO_BYTES_MAX).await?;
        let block = block.ok_or_else(|| io::Error::other("closed without a greeting"))?;
        let hello = Hello::decode(block.freeze()).map_err(io::Error::other)?;
        let checked = self.check_hello(&hello, certificate);
        let welcome = Welcome {
            refusal: checked.as_ref().err().cloned().unwrap_or_default(),
            node_id: self.me.node_id,
            incarnation: self.me.incarnation,
        };
        write_block(stream, &welcome.encode()).await?;
        checked.map(|()| hello.from).map_err(io::Error::other)
    }
}

async fn write_block(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> io::Result<()> {
    stream
        .write_u32(u32::try_from(body.len()).map_err(io::Error::other)?)
        .await?;
    stream.write_all(body).await?;
    stream.flush().await
}

impl Hello {
    fn encode(&self) -> Bytes {
        let mut encoder = Encoder::default();
        encoder.raw(&MAGIC);
        encoder.u16(PROTOCOL);
        encoder.raw(&self.cluster_id);
        encoder.u64(self.from);
        encoder.bytes(self.name.as_bytes());
        encoder.raw(&self.incarnation);
        encoder.u64(self.target);
        encoder.finish()
    }

    fn decode(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = start(bytes)?;
        Ok(Self {
            cluster_id: decoder.fixed("cluster id")?,
            from: decoder.u64("node id")?,
            name: decoder.text("name")?,
            incarnation: decoder.fixed("incarnation")?,
            target: decoder.u64("target")?,
        })
    }
}

impl Welcome {
    fn encode(&self) -> Bytes {
        let mut encoder = Encoder::default();
        encoder.raw(&MAGIC);
        encoder.u16(PROTOCOL);
        encoder.bytes(self.refusal.as_bytes());
        encoder.u64(self.node_id);
        encoder.raw(&self.incarnation);
        encoder.finish()
    }

    fn decode(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = start(bytes)?;
        Ok(Self {
            refusal: decoder.text("refusal")?,
            node_id: decoder.u64("node id")?,
            incarnation: decoder.fixed("incarnation")?,
        })
    }
}

fn start(bytes: Bytes) -> Decoded<Decoder> {
    let mut decoder = Decoder::new(bytes);
    if decoder.fixed::<4>("magic")? != MAGIC {
        return Err(crate::codec::DecodeError::Invalid("magic of the greeting"));
    }
    match decoder.u16("protocol version")? {
        PROTOCOL => Ok(decoder),
        other => Err(crate::codec::DecodeError::Tag {
            what: "protocol version",
            tag: other.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_greeting() {
        let hello = Hello {
            cluster_id: [1; 16],
            from: 2,
            name: "n".into(),
            incarnation: [3; 16],
            target: 4,
        };
        let bytes = hello.encode();
        let expected = format!(
            "54465253{:04x}{}{:016x}000000016e{}{:016x}",
            1,
            "01".repeat(16),
            2,
            "03".repeat(16),
            4
        );
        assert_eq!(hex(&bytes), expected);
        assert_eq!(Hello::decode(bytes), Ok(hello));
    }

    #[test]
    fn another_protocol_is_refused() {
        let mut bytes = Welcome {
            refusal: String::new(),
            node_id: 1,
            incarnation: [0; 16],
        }
        .encode()
        .to_vec();
        bytes[5] = 2;
        assert!(Welcome::decode(bytes.into()).is_err());
    }
}
