//! Tokens that let new nodes in: made, written where only their owner can read them, and waited for.
//!
//! Must not print a token where a file was asked for.

use super::{Problem, Socket};
use auth_api::cluster::{self as wire, ClusterView, NewToken, TokenWish};
use clap::Args;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MINUTES_DEFAULT: u64 = 60;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(super) struct TokenOptions {
    /// The new node takes the place of this member.
    #[arg(long, value_name = "ID")]
    replaces: Option<u64>,
    /// How long the token is good.
    #[arg(long, value_name = "MINUTES", default_value_t = MINUTES_DEFAULT)]
    minutes: u64,
    /// Write it to a file that only its owner can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn make(socket: &Socket, options: &TokenOptions, wait_seconds: u64) -> Result<String, Problem> {
    let token = ask(socket, options.replaces, options.minutes, wait_seconds).await?;
    match &options.out {
        None => Ok(token.token),
        Some(path) => write(path, &token.token).map(|()| format!("a token for one node is in {}", path.display())),
    }
}

/// Makes a token for the place of `old`, and waits until another node has it.
pub(super) async fn replace(
    socket: &Socket,
    old: u64,
    out: Option<&Path>,
    wait_seconds: u64,
) -> Result<String, Problem> {
    let Some(out) = out else {
        return Err(Problem::Refused("give --new or --token-out".into()));
    };
    let before: ClusterView = socket.get(wire::CLUSTER).await?;
    if !before.members.iter().any(|member| member.id == old) {
        let done = format!("node {old} is no member, nobody has to take its place");
        return Err(Problem::Refused(done));
    }
    let token = ask(socket, Some(old), MINUTES_DEFAULT, wait_seconds).await?;
    write(out, &token.token)?;
    eprintln!(
        "a token for the place of node {old} is in {}: start the new node with it; waiting",
        out.display()
    );
    let until = Instant::now() + Duration::from_secs(wait_seconds);
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let view: Result<ClusterView, Problem> = socket.get(wire::CLUSTER).await;
        let gone = view
            .as_ref()
            .is_ok_and(|view| !view.changing && !view.members.iter().any(|member| member.id == old));
        if gone {
            return Ok(format!("node {old} is replaced, its id is refused for ever"));
        }
        if Instant::now() >= until {
            return Err(Problem::Fault(format!(
                "node {old} is not replaced yet: the token is good for {MINUTES_DEFAULT} minutes, and what has begun goes on; \
                 see `tfauth cluster members`"
            )));
        }
    }
}

async fn ask(socket: &Socket, replaces: Option<u64>, minutes: u64, wait_seconds: u64) -> Result<NewToken, Problem> {
    let wish = TokenWish {
        valid_seconds: minutes.saturating_mul(60),
        replaces,
        wait_seconds,
    };
    socket.post(wire::TOKENS, &wish).await
}

fn write(path: &Path, token: &str) -> Result<(), Problem> {
    let written = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{token}"));
    written.map_err(|error| Problem::Fault(format!("cannot write {}: {error}", path.display())))
}
