//! The greeting on every connection: both sides make sure that they talk to the member they mean.
//!
//! TLS has proved by then that both hold certificates of the cluster's CA. The greeting makes sure that they are the
//! members they claim to be, on the data folders they had when they joined, and that both speak a version that the
//! cluster can live with. Must refuse anything in doubt.

use std::collections::BTreeMap;
use std::io;

use rustls::client::verify_server_name;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::directory::Directory;
use super::frame::read_block;
use super::greeting::{Code, Hello, Purpose, Refusal, Welcome};
use crate::identity::hex;
use crate::limits::HELLO_BYTES_MAX;
use crate::lives::Memory;

/// Who dialled us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Member(u64),
    /// Holds a certificate for this name and a new folder with this identity; wants to be let in.
    Guest {
        name: String,
        incarnation: [u8; 16],
    },
}

impl Directory {
    fn check_hello(&self, hello: &Hello, certificate: Option<&CertificateDer<'_>>) -> Result<Caller, Refusal> {
        if hello.cluster_id != self.me.cluster_id {
            let text = format!(
                "cluster {} is not ours, {}",
                hex(&hello.cluster_id),
                hex(&self.me.cluster_id)
            );
            return Err(Refusal::new(Code::Cluster, text));
        }
        self.check_certificate(&hello.name, certificate)?;
        self.check_versions(hello)?;
        match hello.purpose {
            Purpose::Join => Ok(Caller::Guest {
                name: hello.name.clone(),
                incarnation: hello.incarnation,
            }),
            Purpose::Member if hello.target != self.me.node_id => {
                let text = format!("this is node {}, not node {}", self.me.node_id, hello.target);
                Err(Refusal::new(Code::Target, text))
            }
            Purpose::Member => {
                self.check_member(hello.from, &hello.name, hello.incarnation)?;
                Ok(Caller::Member(hello.from))
            }
        }
    }

    /// Everything that can be said against a caller, down to what it has forgotten since it was seen last.
    async fn judge_hello(
        &self,
        hello: &Hello,
        certificate: Option<&CertificateDer<'_>>,
        recalled: &BTreeMap<u64, Memory>,
    ) -> io::Result<Result<Caller, Refusal>> {
        let caller = match self.check_hello(hello, certificate) {
            Ok(caller) => caller,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Caller::Member(from) = caller {
            let met = self
                .lives
                .meet((from, hello.incarnation), recalled, &hello.lineage)
                .await?;
            if let Err(refusal) = met {
                tracing::error!(node = from, reason = refusal.text, "a member must not come back");
                return Ok(Err(refusal));
            }
            self.announce(from, hello.incarnation, hello.versions);
        }
        Ok(Ok(caller))
    }

    fn check_certificate(&self, name: &str, certificate: Option<&CertificateDer<'_>>) -> Result<(), Refusal> {
        let refuse = |text: String| Refusal::new(Code::Certificate, text);
        let expected = self.server_name(name).map_err(|error| refuse(error.to_string()))?;
        let certificate = certificate.ok_or_else(|| refuse("no client certificate".into()))?;
        ParsedCertificate::try_from(certificate)
            .and_then(|certificate| verify_server_name(&certificate, &expected))
            .map_err(|error| {
                refuse(format!(
                    "the client certificate is not for {}: {error}",
                    expected.to_str()
                ))
            })
    }

    fn check_versions(&self, hello: &Hello) -> Result<(), Refusal> {
        let now = self.cluster_version();
        if hello.versions.max >= now {
            return Ok(());
        }
        let text = format!(
            "{} speaks cluster version {} at most, the cluster has version {now}; upgrade its program",
            hello.name, hello.versions.max
        );
        Err(Refusal::new(Code::ClusterVersion, text))
    }

    /// The dialling side's part, of a member to a member. `recalled` is from before it dialled.
    pub(crate) async fn greet(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        target: u64,
        recalled: &BTreeMap<u64, Memory>,
    ) -> io::Result<()> {
        let hello = Hello {
            purpose: Purpose::Member,
            cluster_id: self.me.cluster_id,
            from: self.me.node_id,
            name: self.my_name.clone(),
            incarnation: self.me.incarnation,
            target,
            versions: self.versions,
            lineage: self.lives.lineage(),
        };
        let welcome = exchange(stream, &hello).await?;
        if let Some(refusal) = welcome.refusal {
            self.refused(&refusal);
            self.lives.refused(&refusal);
            return Err(io::Error::other(format!("node {target} refused us: {}", refusal.text)));
        }
        if welcome.node_id != target {
            return Err(io::Error::other(format!(
                "node {} answered instead of node {target}",
                welcome.node_id
            )));
        }
        if welcome.cluster_version > self.versions.max {
            return Err(io::Error::other(format!(
                "the cluster has version {}, this program speaks {} at most; upgrade it",
                welcome.cluster_version, self.versions.max
            )));
        }
        let name = self.member(target).map_or_else(String::new, |member| member.name);
        self.check_member(target, &name, welcome.incarnation)
            .map_err(|refusal| io::Error::other(refusal.text))?;
        let met = self
            .lives
            .meet((target, welcome.incarnation), recalled, &welcome.lineage);
        met.await?.map_err(|refusal| io::Error::other(refusal.text))?;
        self.announce(target, welcome.incarnation, welcome.versions);
        Ok(())
    }

    /// The accepting side's part; who dialled. `recalled` is from before TLS began, and so before the caller said hello.
    pub(crate) async fn receive(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        certificate: Option<&CertificateDer<'_>>,
        recalled: &BTreeMap<u64, Memory>,
    ) -> io::Result<Caller> {
        let block = read_block(stream, HELLO_BYTES_MAX).await?;
        let block = block.ok_or_else(|| io::Error::other("closed without a greeting"))?;
        let hello = Hello::decode(block.freeze()).map_err(io::Error::other)?;
        let checked = match hello {
            Ok(hello) => self.judge_hello(&hello, certificate, recalled).await?,
            Err(refusal) => Err(refusal),
        };
        let welcome = Welcome {
            refusal: checked.as_ref().err().cloned(),
            node_id: self.me.node_id,
            incarnation: self.me.incarnation,
            versions: self.versions,
            cluster_version: self.cluster_version(),
            lineage: self.lives.lineage(),
        };
        write_block(stream, &welcome.encode()).await?;
        checked.map_err(|refusal| io::Error::other(refusal.text))
    }
}

/// Says hello and takes the answer.
pub(crate) async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), hello: &Hello) -> io::Result<Welcome> {
    write_block(stream, &hello.encode()).await?;
    let answer = read_block(stream, HELLO_BYTES_MAX).await?;
    let answer = answer.ok_or_else(|| io::Error::other("the member closed the connection without a greeting"))?;
    Welcome::decode(answer.freeze()).map_err(io::Error::other)
}

async fn write_block(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> io::Result<()> {
    stream
        .write_u32(u32::try_from(body.len()).map_err(io::Error::other)?)
        .await?;
    stream.write_all(body).await?;
    stream.flush().await
}
