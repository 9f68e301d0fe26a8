//! Who takes part in the cluster, and that this node is one of them.

use super::error::ConfigError;
use super::{Cluster, files, raw};
use crate::limits::{MEMBERS_MAX, NAME_BYTES_MAX};
use raft_store::FOUNDER_ID_MAX;
use std::net::SocketAddr;
use std::path::Path;

/// A name is a label of a name in a certificate.
pub(super) fn check_name(setting: &'static str, name: &str) -> Result<(), ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || edge || !name.bytes().all(allowed) {
        let allowed = format!("1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-', with '-' inside only");
        return Err(ConfigError::value(setting, format!("{name:?}"), allowed));
    }
    Ok(())
}

/// Who takes part, and where this node is to be found.
pub(super) fn check_members(file: &raw::File) -> Result<(Cluster, SocketAddr), ConfigError> {
    let members = &file.cluster.members;
    if members.is_empty() || members.len() > MEMBERS_MAX {
        let given = format!("{} members", members.len());
        return Err(ConfigError::value(
            "cluster.members",
            given,
            format!("1 to {MEMBERS_MAX} members"),
        ));
    }
    for (at, member) in members.iter().enumerate() {
        check_name("cluster.members.name", &member.name)?;
        if member.id == 0 || member.id > FOUNDER_ID_MAX {
            let allowed = format!("1 to {FOUNDER_ID_MAX}, the ids of members that form a cluster");
            return Err(ConfigError::value("cluster.members.id", member.id, allowed));
        }
        for earlier in &members[..at] {
            check_differ(earlier, member)?;
        }
    }
    let advertise = match file.node_id {
        Some(node_id) => check_own(file, node_id)?,
        None => check_joining(file)?,
    };
    let cluster = Cluster {
        id: check_id(&file.cluster.id)?,
        initialize: file.cluster.initialize,
        members: members
            .iter()
            .map(|m| raft_store::Member {
                id: m.id,
                name: m.name.clone(),
                peer_address: m.peer_address,
            })
            .collect(),
        join_token: read_token(file.cluster.join_token_file.as_deref())?,
    };
    Ok((cluster, advertise))
}

/// A token is used once: afterwards its file may be gone, and the data folder knows who this node is.
fn read_token(path: Option<&Path>) -> Result<Option<raft_store::JoinToken>, ConfigError> {
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok(None);
    };
    let setting = "cluster.join_token_file";
    let text = zeroize::Zeroizing::new(files::read_text(setting, path)?);
    let token = raft_store::JoinToken::parse(&text);
    token.map(Some).ok_or_else(|| ConfigError::Contents {
        setting,
        path: path.into(),
        problem: "holds no token; expected what `tfauth cluster token` printed".into(),
    })
}

/// A node that no founding member knows has to say where it is to be found.
fn check_joining(file: &raw::File) -> Result<SocketAddr, ConfigError> {
    if file.cluster.initialize {
        let rule = "a node without a node_id joins a cluster, it does not form one";
        return Err(ConfigError::clash(
            ("cluster.initialize", &true),
            ("node_id", &"none"),
            rule,
        ));
    }
    let advertise = file.peer.advertise.unwrap_or(file.peer.listen);
    if advertise.ip().is_unspecified() || advertise.port() == 0 {
        return Err(ConfigError::value(
            "peer.advertise",
            advertise,
            "the address at which other nodes reach this one; peer.listen says it only if it is one address",
        ));
    }
    Ok(advertise)
}

fn check_differ(a: &raw::Member, b: &raw::Member) -> Result<(), ConfigError> {
    let clash = |what: &str, first: &dyn ToString, second: &dyn ToString| {
        let rule = format!("no two members have the same {what}");
        Err(ConfigError::clash(
            ("cluster.members", first),
            ("cluster.members", second),
            rule,
        ))
    };
    if a.id == b.id {
        return clash(
            "id",
            &format!("{} ({})", a.id, a.name),
            &format!("{} ({})", b.id, b.name),
        );
    }
    if a.name == b.name {
        return clash(
            "name",
            &format!("{} (id {})", a.name, a.id),
            &format!("{} (id {})", b.name, b.id),
        );
    }
    if a.peer_address == b.peer_address {
        let text = |m: &raw::Member| format!("{} ({})", m.peer_address, m.name);
        return clash("peer_address", &text(a), &text(b));
    }
    Ok(())
}

/// The entry of this node must say what the node says about itself.
fn check_own(file: &raw::File, node_id: u64) -> Result<SocketAddr, ConfigError> {
    let Some(own) = file.cluster.members.iter().find(|member| member.id == node_id) else {
        let ids: Vec<u64> = file.cluster.members.iter().map(|member| member.id).collect();
        let rule = "this node must be one of the members";
        return Err(ConfigError::clash(
            ("node_id", &node_id),
            ("cluster.members", &format!("ids {ids:?}")),
            rule,
        ));
    };
    if own.name != file.name {
        let rule = format!("the member with id {} must have this node's name", own.id);
        return Err(ConfigError::clash(
            ("name", &file.name),
            ("cluster.members.name", &own.name),
            rule,
        ));
    }
    if own.peer_address.port() != file.peer.listen.port() {
        let rule = "other nodes would not find this one: the ports must be equal";
        return Err(ConfigError::clash(
            ("peer.listen", &file.peer.listen),
            ("cluster.members.peer_address", &own.peer_address),
            rule,
        ));
    }
    Ok(file.peer.advertise.unwrap_or(own.peer_address))
}

fn check_id(text: &str) -> Result<[u8; 16], ConfigError> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let refuse = || {
        ConfigError::value(
            "cluster.id",
            format!("{text:?}"),
            "32 hexadecimal characters in lower case",
        )
    };
    if text.len() != 32 || !text.bytes().all(is_hex) {
        return Err(refuse());
    }
    u128::from_str_radix(text, 16)
        .map(u128::to_be_bytes)
        .map_err(|_| refuse())
}
