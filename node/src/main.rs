//! The `tfauth-node` program: what must happen before any thread exists, then the command line.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // First of all: no flush may be less than an fsync, on any thread.
    let fsync = raft_store::install_real_fsync();
    node::cli::run(fsync)
}
