//! The command line as a table; decides nothing.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Runs a whole tfauth cluster on this machine, for development.
#[derive(Parser)]
#[command(
    name = "tfauth-cluster",
    version,
    after_help = "Example: infra/dev up --detach && infra/dev status"
)]
pub(crate) struct Arguments {
    /// Folder of the cluster: keys, configurations, data, logs
    #[arg(long, global = true, default_value = ".dev", value_name = "FOLDER")]
    pub(crate) dir: PathBuf,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Starts a cluster, or the one that is in the folder with its data
    #[command(after_help = "Example: infra/dev up --nodes 5 --dir /tmp/five --base-port 20000 --detach")]
    Up(UpArguments),
    /// What `up --detach` runs in the background
    #[command(hide = true, after_help = "Example: infra/dev up --detach")]
    Supervise(UpArguments),
    /// Stops everything that runs from the folder; the data stays
    #[command(after_help = "Example: infra/dev down --dir /tmp/five")]
    Down,
    /// Shows how every member is
    #[command(after_help = "Example: infra/dev status --json")]
    Status {
        /// For programs: {"nodes": [{name, pid, role, term, applied}], "lbs": [{name, pid, ready}]}
        #[arg(long)]
        json: bool,
    },
    /// Shows the log of one member, or of all
    #[command(after_help = "Example: infra/dev logs node-1 -f")]
    Logs {
        /// node-1, lb-1, …; all when left out
        name: Option<String>,
        /// Go on as the log grows, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
    /// Stops a member if it runs, and starts it
    #[command(after_help = "Example: infra/dev restart node-1")]
    Restart {
        /// node-1, lb-1, …
        name: String,
    },
    /// Ends a member in order (SIGTERM)
    #[command(after_help = "Example: infra/dev stop lb-1")]
    Stop {
        /// node-1, lb-1, …
        name: String,
    },
    /// Ends a member at once (SIGKILL); it stays down until restart
    #[command(after_help = "Example: infra/dev kill node-1")]
    Kill {
        /// node-1, lb-1, …
        name: String,
    },
    /// Freezes a member (SIGSTOP)
    #[command(after_help = "Example: infra/dev pause node-2")]
    Pause {
        /// node-1, lb-1, …
        name: String,
    },
    /// Kills a node, deletes its data, and lets its machine join the cluster as a new node in its place
    #[command(after_help = "Example: infra/dev replace node-2")]
    Replace {
        /// node-1, node-2, …
        name: String,
    },
    /// Lets a paused member go on (SIGCONT)
    #[command(after_help = "Example: infra/dev resume node-2")]
    Resume {
        /// node-1, lb-1, …
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct UpArguments {
    /// How many nodes [default: 3, or what the folder has]
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<u16>,
    /// How many load balancers [default: 2, or what the folder has]
    #[arg(long, value_name = "N")]
    pub(crate) lbs: Option<u16>,
    /// First of 50 ports to use instead of 8443…, 8301…, 7101…, 7201…, 7301…
    #[arg(long, value_name = "PORT")]
    pub(crate) base_port: Option<u16>,
    /// Go to the background once a login succeeds
    #[arg(long)]
    pub(crate) detach: bool,
    /// Delete the cluster that is in the folder first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Send mail to this server instead of into a folder
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) smtp: Option<String>,
    /// Run the development build instead of the one that this program belongs to
    #[arg(long)]
    pub(crate) debug_build: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_table_is_consistent_and_every_command_has_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let help = verb.clone().render_help().to_string();
            assert!(help.contains("Example: infra/dev"), "{}", verb.get_name());
        }
    }
}
