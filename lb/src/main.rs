//! The `tfauth-lb` program. Parses the command line and turns the outcome into an exit code; does nothing else.

use std::process::ExitCode;

/// Each request makes and drops some dozens of small strings: the system's allocator took an eighth of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lb::cli::run()
}
