//! Enumerates crash points of the stores on a simulated disk: `infra/dev crash-points`.
//!
//! Must not hold logic: see `raft_store::crash_points`.

fn main() -> std::process::ExitCode {
    raft_store::crash_points::main()
}
