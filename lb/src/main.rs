//! The `tfauth-lb` program. Parses the command line and turns the outcome into an exit code; does nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb::cli::run()
}
