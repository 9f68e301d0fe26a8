//! Asking to be let in, before this node has an id: the configured members are asked one after the other until one of
//! them has carried the wish to the leader.
//!
//! The identity of the folder is on disk before anybody is asked: after a crash the node asks again as the same one and
//! gets the same id. Must not be used on a folder that has an id.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::command::Proof;
use super::operation::{Operation, Outcome};
use crate::codec::wire::{Kind, Message};
use crate::config::Join;
use crate::disk::Disk;
use crate::guard::Guard;
use crate::identity::{self, Identity, hex};
use crate::limits::{CONNECT_TIMEOUT, JOIN_PATIENCE, OPERATION_CALL_MAX, OPERATION_PAUSE};
use crate::lives::Lineage;
use crate::peer::greeting::{Hello, Purpose};
use crate::peer::{Connection, exchange};
use crate::{Config, Member, OpenError, entropy};

/// The identity of the folder; a new one gets its from the configuration, or from the cluster.
pub(crate) async fn identify(disk: &Disk, config: &Config) -> Result<Identity, OpenError> {
    let folder = &config.data_dir;
    let found = Identity::settled(disk, folder, config.cluster_id, config.node_id)?;
    match (found, &config.join, config.node_id) {
        (Some(identity), None, _) => Ok(identity),
        (Some(identity), Some(join), _) => {
            let founder = Some(identity.node_id) == config.node_id;
            if !founder || !was_never_in_a_cluster(disk, folder, identity)? {
                return Ok(identity);
            }
            tracing::info!(
                node = identity.node_id,
                "this node was never in the cluster: giving up its configured id to join under a new one"
            );
            Identity::give_up(disk, folder)?;
            run(disk, config, join).await
        }
        (None, Some(join), _) => run(disk, config, join).await,
        (None, None, Some(node_id)) => Identity::claim(disk, folder, config.cluster_id, node_id),
        (None, None, None) => Err(OpenError::NoIdentity(folder.clone())),
    }
}

fn was_never_in_a_cluster(disk: &Disk, folder: &Path, identity: Identity) -> Result<bool, OpenError> {
    let (_, promises) = Guard::open(disk, folder, identity)?;
    Ok(promises.vote.is_none() && promises.log.is_none() && promises.checkpoint == 0)
}

/// Gets an id from the cluster and gives it to the folder.
async fn run(disk: &Disk, config: &Config, join: &Join) -> Result<Identity, OpenError> {
    let folder = &config.data_dir;
    let incarnation = candidate(disk, folder)?;
    let proof = match join {
        Join::Token(token) => Proof::Token(token.hash()),
        Join::Replace { old } => Proof::Certificate { replaces: *old },
    };
    tracing::info!(
        incarnation = hex(&incarnation),
        "this data folder is new: asking to be let into the cluster"
    );
    let until = Instant::now() + JOIN_PATIENCE;
    let mut last = String::from("no member is configured that could be asked");
    while Instant::now() < until {
        let others = config
            .members
            .iter()
            .filter(|member| member.peer_address != config.advertise);
        for member in others {
            match ask(config, member, incarnation, proof).await {
                Ok(Outcome::Joined { id }) => {
                    let identity = Identity::joined(disk, folder, config.cluster_id, id, incarnation)?;
                    tracing::info!(node = id, "joined");
                    return Ok(identity);
                }
                Ok(Outcome::Refused { text }) => return Err(OpenError::JoinRefused(text)),
                Ok(other) => last = format!("{}: {}", member.name, words(other)),
                Err(error) => last = format!("{}: {error}", member.name),
            }
        }
        tokio::time::sleep(OPERATION_PAUSE).await;
    }
    Err(OpenError::JoinUnanswered {
        patience: JOIN_PATIENCE,
        last,
    })
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Pending { text } | Outcome::Done { text } | Outcome::Refused { text } => text,
        Outcome::NotLeader => "it knows no leader".into(),
        Outcome::Joined { .. } | Outcome::Described(_) => "an answer to something else".into(),
    }
}

/// What the folder is called until it has an id; the same after a crash.
pub(crate) fn candidate(disk: &Disk, folder: &Path) -> Result<[u8; 16], OpenError> {
    let path = folder.join(identity::CANDIDATE_FILE);
    let found = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
    let known = found.and_then(|bytes| identity::unhex(std::str::from_utf8(&bytes).ok()?.trim_end()));
    if let Some(incarnation) = known {
        return Ok(incarnation);
    }
    let incarnation = entropy::identity();
    let text = format!("{}\n", hex(&incarnation));
    disk.replace_file(&path, text.as_bytes())
        .map_err(OpenError::io("cannot write", &path))?;
    Ok(incarnation)
}

async fn ask(config: &Config, member: &Member, incarnation: [u8; 16], proof: Proof) -> Result<Outcome, String> {
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT * 2, dial(config, member, incarnation));
    let connection = dialled.await.map_err(|_| "no connection in time".to_owned())??;
    let operation = Operation::Join {
        name: config.name.clone(),
        address: config.advertise.to_string(),
        incarnation,
        proof,
    };
    let answer = connection.call(Kind::Operate, operation.to_bytes(), OPERATION_CALL_MAX * 2);
    let answer = answer.await.map_err(|error| error.to_string())?;
    Outcome::from_bytes(answer).map_err(|error| error.to_string())
}

async fn dial(config: &Config, member: &Member, incarnation: [u8; 16]) -> Result<Connection, String> {
    let text = |error: std::io::Error| error.to_string();
    let tcp = TcpStream::connect(member.peer_address).await.map_err(text)?;
    tcp.set_nodelay(true).map_err(text)?;
    let name = format!("{}.{}", member.name, config.tls.server_name_suffix);
    let name = rustls::pki_types::ServerName::try_from(name).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(config.tls.client.clone());
    let mut stream = connector.connect(name, tcp).await.map_err(text)?;
    let hello = Hello {
        purpose: Purpose::Join,
        cluster_id: config.cluster_id,
        from: 0,
        name: config.name.clone(),
        incarnation,
        target: 0,
        versions: config.versions,
        // Nobody knows this folder yet.
        lineage: Lineage::default(),
    };
    let welcome = exchange(&mut stream, &hello).await.map_err(text)?;
    match welcome.refusal {
        Some(refusal) => Err(format!("it refused us: {}", refusal.text)),
        None => Ok(Connection::start(
            stream,
            OPERATION_CALL_MAX * 2 + Duration::from_secs(1),
        )),
    }
}
