//! `tfauth-node breach-filter build`: the operator's list of stolen passwords becomes a file that nodes load at start.

use super::{FAULT, refuse};
use crate::passwords::{self, BuildError};
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::{BufReader, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

const READ_BYTES: usize = 1 << 20;

#[derive(Subcommand)]
pub(super) enum BreachFilterCommand {
    /// Build a filter from a list of SHA-1 hashes, ordered by hash. Takes about nine bits for each password.
    #[command(
        after_help = "The list has lines HASH or HASH:COUNT, ordered by hash, as published lists of breached passwords have them; \
                      - reads it from standard input. Name the filter as passwords.breach_filter in the configuration of every \
                      node. One good password in 256 is refused by chance.\n\n\
                      Exit codes: 0 built, 1 it cannot be written, 2 the list is none.\n\n\
                      Example:\n  tfauth-node breach-filter build --in pwned-passwords-sha1-ordered-by-hash.txt --out /etc/tfauth/breached.filter"
    )]
    Build(Files),
}

#[derive(Args)]
pub(super) struct Files {
    /// The list.
    #[arg(long = "in", value_name = "FILE")]
    list: PathBuf,
    /// Where the filter goes; one that is there is replaced when the new one is whole.
    #[arg(long = "out", value_name = "FILE")]
    filter: PathBuf,
    /// Say nothing on the way.
    #[arg(long)]
    quiet: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn build(files: &Files) -> ExitCode {
    let progress = |lines: u64| {
        if !files.quiet {
            eprintln!("{lines} lines read");
        }
    };
    let built = if files.list.as_os_str() == "-" {
        passwords::build(
            BufReader::with_capacity(READ_BYTES, stdin().lock()),
            &files.filter,
            progress,
        )
    } else {
        match File::open(&files.list) {
            Ok(list) => passwords::build(BufReader::with_capacity(READ_BYTES, list), &files.filter, progress),
            Err(error) => Err(BuildError::Read(error)),
        }
    };
    match built {
        Ok(built) if files.json => {
            println!(r#"{{"passwords":{},"bytes":{}}}"#, built.passwords, built.bytes);
            ExitCode::SUCCESS
        }
        Ok(built) => {
            let (path, passwords, bytes) = (files.filter.display(), built.passwords, built.bytes);
            println!("{path}: {passwords} passwords in {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(BuildError::Write(error)) => {
            eprintln!("tfauth-node: {}: {}", files.filter.display(), BuildError::Write(error));
            ExitCode::from(FAULT)
        }
        Err(error) => refuse(&format!("{}: {error}", files.list.display())),
    }
}
