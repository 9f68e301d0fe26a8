//! `tfauth-node verify`: reads a whole data folder in this process, tells the verdict, ends.
//!
//! Must not end without a verdict as far as it can be helped; who started it takes any other end for damage.

use super::verdict::{to_json, to_text};
use crate::clock;
use crate::limits::{VERIFY_MEMORY_BYTES_BASE, VERIFY_MEMORY_PER_BYTE};
use clap::Args;
use raft_store::verify::{Verdict, verify};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of a folder that must not be used.
pub const QUARANTINE: u8 = 3;
const REFUSED: u8 = 2;

/// Arguments of `tfauth-node verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// Data folder of a node that is not running.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The verdict as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// End when standard input does: whoever started this is gone.
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
}

/// Runs it.
#[must_use]
pub fn run(args: &VerifyArgs) -> ExitCode {
    if args.end_with_stdin {
        std::thread::spawn(|| {
            // Nobody writes: it returns when the other end is closed.
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(i32::from(REFUSED));
        });
    }
    bound_memory(args);
    let folder = args.data.clone();
    let verdict = catch_unwind(|| Verdict::of(verify(&folder, clock::wall())))
        .unwrap_or_else(|_| Verdict::Quarantine("reading it ended with a panic; its text is above".into()));
    let text = if args.json {
        to_json(&args.data, &verdict).to_string()
    } else {
        to_text(&args.data, &verdict)
    };
    // Whoever does not listen reads the exit code.
    let _ = writeln!(std::io::stdout(), "{text}");
    match verdict {
        Verdict::Sound(_) => ExitCode::SUCCESS,
        Verdict::Quarantine(_) => ExitCode::from(QUARANTINE),
        Verdict::Refused(_) => ExitCode::from(REFUSED),
    }
}

/// A damaged length must not take the memory of the whole machine.
fn bound_memory(args: &VerifyArgs) {
    let bytes = super::ask::folder_bytes(&args.data);
    let most = bytes
        .saturating_mul(VERIFY_MEMORY_PER_BYTE)
        .saturating_add(VERIFY_MEMORY_BYTES_BASE);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    if let Err(error) = setrlimit(Resource::As, limit) {
        eprintln!("tfauth-node: memory is not bounded: {error}");
    }
}
