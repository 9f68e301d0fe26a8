//! `tfauth-simulate`: see `infra/dev simulate --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    simulation::command::main()
}
