//! `tfauth keys`: what keys there are and what is sealed with which; the next signing key.
//!
//! Shows ids, times and counts; a node tells no key.

use crate::cli::exit;
use crate::cluster::{Problem, Socket};
use auth_api::cluster::Said;
use auth_api::operator::{KEYS, KeysView, ROTATE_SIGNING_KEY};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest wait for the answer, in seconds: everything that is sealed is counted.
const ANSWER_SECONDS_MAX: u64 = 60;

#[derive(Args)]
pub(crate) struct KeysOptions {
    /// Data folder of a node of this machine that is running; any node of the cluster will do.
    #[arg(long, value_name = "DIR", global = true, default_value = "/var/lib/tfauth/data")]
    data: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the node's key ring, what is sealed with which key, how far sealing anew went, and the signing keys.
    #[command(
        after_help = "A key may leave the ring when it seals no value any more.\n\nExample:\n  tfauth keys status --json | jq .sealed_values_by_key\n\nExit codes: 0 shown, 1 the node does not answer, 2 wrong usage."
    )]
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make the next signing key. It is published at once and signs ten minutes later.
    #[command(
        after_help = "Refused while a next key waits already. To change the key that seals, change the ring file of every node: see the runbook on keys.\n\nExample:\n  tfauth keys rotate --data /var/lib/tfauth/data\n\nExit codes: 0 done, 1 not done, 2 wrong usage, or refused as asked."
    )]
    Rotate,
}

/// Asks, prints, and tells by the exit code.
pub(crate) async fn run(options: &KeysOptions) -> ExitCode {
    let socket = Socket::new(&options.data, ANSWER_SECONDS_MAX);
    exit(carry_out(&socket, &options.verb).await)
}

async fn carry_out(socket: &Socket, verb: &Verb) -> Result<String, Problem> {
    match verb {
        Verb::Status { json } => {
            let view: KeysView = socket.get(KEYS).await?;
            if *json {
                return serde_json::to_string(&view).map_err(|error| Problem::Fault(error.to_string()));
            }
            Ok(render(&view))
        }
        Verb::Rotate => {
            let said: Said = socket.post(ROTATE_SIGNING_KEY, &()).await?;
            Ok(said.message)
        }
    }
}

/// For people. Writing to a String cannot fail.
fn render(view: &KeysView) -> String {
    let mut text = format!("ring: key {} seals at this node", view.ring_active);
    for id in &view.ring_ids {
        let values = view.sealed_values_by_key.get(id).copied().unwrap_or_default();
        let _ = write!(text, "\n  key {id}: {values} values");
    }
    for (id, values) in &view.sealed_values_by_key {
        if !view.ring_ids.contains(id) {
            let _ = write!(text, "\n  key {id}: {values} values, AND THIS NODE HAS NO SUCH KEY");
        }
    }
    match &view.resealed {
        None => text.push_str("\nsealed anew: nothing yet"),
        Some(done) => {
            let state = if done.finished {
                "all was looked at"
            } else {
                "under way"
            };
            let _ = write!(
                text,
                "\nsealed anew: {} values with key {}, {state}; began {}, last step {}",
                done.count, done.key, done.started_at, done.updated_at
            );
        }
    }
    text.push_str("\nsigning keys:");
    for key in &view.signing_keys {
        let _ = write!(text, "\n  {} {:<9} signs from {}", key.kid, key.state, key.activates_at);
        if let Some(end) = &key.retires_at {
            let _ = write!(text, ", good until {end}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_api::operator::{ResealedView, SigningKeyView};

    #[test]
    fn a_key_that_still_seals_and_is_gone_from_the_ring_is_shouted_about() {
        let mut view = KeysView {
            ring_active: 2,
            ring_ids: vec![1, 2],
            sealed_values_by_key: [(1, 7), (2, 40)].into(),
            resealed: Some(ResealedView {
                key: 2,
                count: 40,
                finished: false,
                started_at: "2026-01-01T00:00:00Z".into(),
                updated_at: "2026-01-01T00:00:09Z".into(),
            }),
            signing_keys: vec![SigningKeyView {
                kid: "abc".into(),
                state: "active".into(),
                activates_at: "2026-01-01T00:00:00Z".into(),
                retires_at: None,
            }],
        };
        let text = render(&view);
        assert!(text.contains("key 1: 7 values") && text.contains("under way"), "{text}");
        assert!(!text.contains("NO SUCH KEY"), "{text}");
        view.ring_ids = vec![2];
        assert!(render(&view).contains("key 1: 7 values, AND THIS NODE HAS NO SUCH KEY"));
    }
}
