//! A cluster whose mail goes to one plain server of this machine. Judges nothing.

use crate::native::Native;
use cluster_harness::cluster::{Cluster, Options};
use cluster_harness::config::{Mail, MailServer as Configured};

/// The cluster, and a client of it. Nobody is asked for a mailed code by chance.
///
/// # Errors
/// It does not start, or its administrator cannot be made.
pub async fn cluster_with_server(port: u16) -> Result<(Cluster, Native), String> {
    let plain = Configured {
        address: format!("127.0.0.1:{port}"),
        tls: "none",
        ca: None,
        username: None,
        password_file: None,
    };
    let options = Options {
        surroundings: Mail::Servers(vec![plain]).into(),
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.map_err(|error| error.to_string())?;
    let native = Native::new(&cluster)?;
    native.administrator(&cluster).await?.ask_nobody_by_chance().await?;
    Ok((cluster, native))
}
