//! `tfauth cluster`: what an operator does with the members, through any node of the cluster.
//!
//! Decides nothing: the node carries it to the leader, which may refuse. Every command can be given again; what was done
//! already stays done.

mod show;
mod socket;
mod token;

use crate::cli::exit;
use auth_api::cluster::{self as wire, ClusterView, Init, LeaderWish, Removal, Said, VersionWish, VoterWish};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use self::socket::Socket;

#[derive(Args)]
pub(crate) struct ClusterOptions {
    /// Data folder of a node of this machine that is running; any node of the cluster will do.
    #[arg(long, value_name = "DIR", global = true, default_value = "/var/lib/tfauth/data")]
    data: PathBuf,
    /// How long to wait until it is done, in seconds.
    #[arg(long, value_name = "SECONDS", global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=wire::WAIT_SECONDS_MAX))]
    wait: u64,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Form the cluster of the configured members. All of them must be running and new.
    #[command(
        after_help = "Once in the life of a cluster, on one node.\n\nExample:\n  tfauth cluster init --expect 3 --data /var/lib/tfauth/data"
    )]
    Init {
        /// How many members form it.
        #[arg(long, value_name = "NUMBER")]
        expect: usize,
        /// Refuse if the node is configured for another cluster.
        #[arg(long, value_name = "HEX")]
        cluster_id: Option<String>,
    },
    /// Show who belongs to the cluster, as the leader sees it.
    #[command(after_help = "Example:\n  tfauth cluster members --json | jq .members[].name")]
    Members {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a token that lets one new node in, once.
    #[command(
        after_help = "Example:\n  tfauth cluster token --out /root/join-token\n\nThe new node reads it from the file that cluster.join_token_file names."
    )]
    Token(token::TokenOptions),
    /// Give a learner a vote.
    #[command(after_help = "Example:\n  tfauth cluster add-voter 1042")]
    AddVoter {
        /// Id of the learner, see `tfauth cluster members`.
        id: u64,
    },
    /// Put one node in the place of another, in one change of the membership.
    #[command(
        after_help = "Examples:\n  tfauth cluster replace --old 3 --token-out /root/join-token   a token for the new machine; waits until it has the place\n  tfauth cluster replace --old 3 --new 1042                     by a learner that has joined\n\nThe old id is refused for ever, whether its node is dead or alive."
    )]
    Replace {
        /// Id of the member that goes.
        #[arg(long, value_name = "ID")]
        old: u64,
        /// Id of the learner that takes its place.
        #[arg(
            long,
            value_name = "ID",
            conflicts_with = "token_out",
            required_unless_present = "token_out"
        )]
        new: Option<u64>,
        /// Where to write a token for a new node that takes its place.
        #[arg(long, value_name = "FILE")]
        token_out: Option<PathBuf>,
    },
    /// Remove a member for ever. Refused if the others would have no quorum.
    #[command(after_help = "Example:\n  tfauth cluster remove 3")]
    Remove {
        /// Id of the member.
        id: u64,
    },
    /// Make another member lead.
    #[command(after_help = "Example:\n  tfauth cluster transfer-leader --to 2")]
    TransferLeader {
        /// Id of the new leader; without it, whoever has the longest log.
        #[arg(long, value_name = "ID")]
        to: Option<u64>,
    },
    /// Raise the cluster's version, once every node runs a program that speaks it. It is never lowered.
    #[command(after_help = "Example:\n  tfauth cluster upgrade --to 2")]
    Upgrade {
        /// The version.
        #[arg(long, value_name = "NUMBER")]
        to: u32,
    },
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The cluster must not do it.
    #[error("{0}")]
    Refused(String),
    /// Not done yet, or nobody answered.
    #[error("{0}")]
    Fault(String),
}

/// Asks, prints, and tells by the exit code.
pub(crate) async fn run(options: &ClusterOptions) -> ExitCode {
    let socket = Socket::new(&options.data, options.wait);
    exit(carry_out(&socket, &options.verb, options.wait).await)
}

async fn carry_out(socket: &Socket, verb: &Verb, wait_seconds: u64) -> Result<String, Problem> {
    let said: Said = match verb {
        Verb::Members { json } => {
            let view: ClusterView = socket.get(wire::CLUSTER).await?;
            return show::render(&view, *json);
        }
        Verb::Token(options) => return token::make(socket, options, wait_seconds).await,
        Verb::Replace {
            old,
            new: None,
            token_out,
        } => return token::replace(socket, *old, token_out.as_deref(), wait_seconds).await,
        Verb::Init { expect, cluster_id } => {
            let wish = Init {
                expect: *expect,
                cluster_id: cluster_id.clone(),
                wait_seconds,
            };
            socket.post(wire::INIT, &wish).await?
        }
        Verb::AddVoter { id } => {
            let wish = VoterWish {
                id: *id,
                replaces: None,
                wait_seconds,
            };
            socket.post(wire::VOTERS, &wish).await?
        }
        Verb::Replace {
            old, new: Some(new), ..
        } => {
            let wish = VoterWish {
                id: *new,
                replaces: Some(*old),
                wait_seconds,
            };
            socket.post(wire::VOTERS, &wish).await?
        }
        Verb::Remove { id } => socket.post(wire::REMOVALS, &Removal { id: *id, wait_seconds }).await?,
        Verb::TransferLeader { to } => socket.post(wire::LEADER, &LeaderWish { to: *to, wait_seconds }).await?,
        Verb::Upgrade { to } => {
            socket
                .post(wire::VERSION, &VersionWish { to: *to, wait_seconds })
                .await?
        }
    };
    Ok(said.message)
}
