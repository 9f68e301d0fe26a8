//! From a folder to a cluster in which a login succeeds: files, processes, first account. Also brings back a cluster
//! that ran before, with its data.

use crate::binaries::Binaries;
use crate::certs;
use crate::config;
use crate::description::{Admin, Description};
use crate::error::{Error, Result};
use crate::files;
use crate::first_login::{Front, invent_admin};
use crate::http;
use crate::layout::Layout;
use crate::limits::START_SECONDS_MAX;
use crate::settings::{Settings, Wish};
use crate::supervisor::{Groups, Supervisor};
use crate::surroundings::Surroundings;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Told what is being done, in a few words.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Files of a cluster that is ready to start.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where it lies.
    pub layout: Layout,
    /// What it is.
    pub settings: Settings,
    /// What `cluster.json` will say; the first account survives from earlier runs.
    pub description: Description,
}

/// Makes the files of a new cluster, or takes those that are there.
///
/// # Errors
/// Refuses a wish that the folder's cluster does not fulfil.
pub fn prepare(layout: &Layout, wish: Wish, around: &Surroundings, progress: Progress<'_>) -> Result<Prepared> {
    files::folder(layout.root())?;
    let settings = match Settings::load(layout)? {
        Some(settings) => {
            settings.must_satisfy(wish, layout)?;
            progress(&format!(
                "taking the cluster in {}, with its data",
                layout.root().display()
            ));
            settings
        }
        None => make(layout, wish, progress)?,
    };
    config::write_all(layout, &settings, around)?;
    let mut description = Description::new(layout, &settings)?;
    description.admin = match Description::load(layout)? {
        Some(earlier) => earlier.admin,
        None => None,
    };
    Ok(Prepared {
        layout: layout.clone(),
        settings,
        description,
    })
}

fn make(layout: &Layout, wish: Wish, progress: Progress<'_>) -> Result<Settings> {
    let settings = Settings::fresh(wish)?;
    progress("making certificates and a key ring");
    certs::write_all(layout, &settings.node_names(), &settings.lb_names())?;
    config::write_key_ring(layout)?;
    // Last: a folder without it is made anew as a whole.
    settings.save(layout)?;
    Ok(settings)
}

/// Deletes a cluster, and nothing else that may lie in the folder.
///
/// # Errors
/// Something cannot be deleted.
pub fn wipe(layout: &Layout) -> Result<()> {
    let files = [
        layout.description(),
        layout.settings(),
        layout.enrolled_mark(),
        layout.key_ring(),
    ];
    for file in files {
        ignore_missing(&file, fs::remove_file(&file))?;
    }
    let mut folders = vec![layout.tls(), layout.mail()];
    let entries = fs::read_dir(layout.root())
        .map(|e| e.filter_map(std::result::Result::ok).collect())
        .unwrap_or_else(|_| Vec::new());
    let members = entries.iter().map(fs::DirEntry::path).filter(|p| is_member_folder(p));
    folders.extend(members);
    for folder in folders {
        ignore_missing(&folder, fs::remove_dir_all(&folder))?;
    }
    Ok(())
}

/// `node-7` or `lb-2`, with our configuration in it.
fn is_member_folder(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let number = name.strip_prefix("node-").or_else(|| name.strip_prefix("lb-"));
    number.is_some_and(|n| n.parse::<u16>().is_ok()) && path.is_dir()
}

fn ignore_missing(path: &Path, result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("delete", path, &e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Prepared {
    /// Who will own the processes; none is started yet.
    ///
    /// # Errors
    /// Names the ports that are in use.
    pub fn supervise(self, binaries: &Binaries, groups: Groups) -> Result<Arc<Supervisor>> {
        self.settings
            .ports()?
            .check_free(self.settings.nodes, self.settings.lbs)?;
        Ok(Arc::new(Supervisor::new(
            self.layout,
            binaries,
            self.description,
            groups,
        )?))
    }
}

/// Starts the processes and waits until a login would succeed at every load balancer. Stops them again on a failure.
///
/// # Errors
/// A program that is missing or does not start, a cluster that does not answer in time.
pub async fn start(supervisor: &Supervisor, progress: Progress<'_>) -> Result<()> {
    progress(&format!("starting {}", supervisor.description().names().join(", ")));
    let started = match supervisor.start_all().await {
        Ok(()) => wait_for_logins(supervisor, progress).await,
        Err(e) => Err(e),
    };
    if started.is_err() {
        let _ = supervisor.stop_all().await;
    }
    started
}

async fn wait_for_logins(supervisor: &Supervisor, progress: Progress<'_>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    let description = supervisor.description();
    let client = http::front_client(&description.ca)?;
    let fronts = description.urls.iter().map(|url| Front {
        client: &client,
        url,
        deadline,
    });
    progress("waiting for a leader");
    for front in fronts.clone() {
        front.wait_for_quorum().await?;
    }
    if !supervisor.layout().enrolled_mark().exists() {
        for front in fronts.take(1) {
            first_account(supervisor, &front, progress).await?;
        }
        files::write(&supervisor.layout().enrolled_mark(), b"")?;
    }
    // Logins need a majority only; the last member is given a moment, so that a cluster is well when it is called up.
    supervisor.prober().settled(&supervisor.description()).await;
    Ok(())
}

/// Each step is remembered before the next, so that an interrupted start goes on where it was.
async fn first_account(supervisor: &Supervisor, front: &Front<'_>, progress: Progress<'_>) -> Result<()> {
    let mut admin = match supervisor.description().admin {
        Some(admin) => admin,
        None => invent_admin()?,
    };
    let remember = |admin: &Admin| supervisor.describe(|d| d.admin = Some(admin.clone()));
    remember(&admin)?;
    progress("creating the account `admin` and enrolling its second factor");
    front.create(&admin).await?;
    if let Some(secret) = &admin.totp_secret
        && front.log_in(&admin, secret).await?
    {
        return Ok(());
    }
    let secret = front.enrol(&admin).await?;
    admin.totp_secret = Some(secret.clone());
    remember(&admin)?;
    progress("logging in for the first time");
    if front.log_in(&admin, &secret).await? {
        return Ok(());
    }
    Err(Error::fault(
        "the first login was refused with the right password and code: is this machine's clock right?",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_: &str) {}

    #[test]
    fn a_second_preparation_keeps_keys_and_account() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let wish = Wish {
            base_port: Some(21_000),
            ..Wish::default()
        };
        let mut first = prepare(&layout, wish, &Surroundings::default(), &quiet).unwrap();
        first.description.admin = Some(invent_admin().unwrap());
        first.description.save(&layout).unwrap();
        let ring = fs::read(layout.key_ring()).unwrap();
        let second = prepare(&layout, Wish::default(), &Surroundings::default(), &quiet).unwrap();
        assert_eq!(second.settings, first.settings);
        assert_eq!(second.description.admin, first.description.admin);
        assert_eq!(fs::read(layout.key_ring()).unwrap(), ring);
        assert!(
            prepare(
                &layout,
                Wish {
                    nodes: Some(5),
                    ..Wish::default()
                },
                &Surroundings::default(),
                &quiet
            )
            .is_err()
        );
    }

    #[test]
    fn wiping_deletes_the_cluster_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        prepare(&layout, Wish::default(), &Surroundings::default(), &quiet).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        fs::create_dir(dir.path().join("node-notes")).unwrap();
        wipe(&layout).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["node-notes", "notes.txt"]);
        wipe(&layout).unwrap();
    }

    #[test]
    fn a_port_in_use_is_told_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let (base, _) = crate::ports::Ports::find_free(1, 1).unwrap();
        let prepared = prepare(
            &layout,
            Wish {
                nodes: Some(1),
                lbs: Some(1),
                base_port: Some(base),
            },
            &Surroundings::default(),
            &quiet,
        )
        .unwrap();
        let _held = std::net::TcpListener::bind(("127.0.0.1", base)).unwrap();
        let binaries = Binaries {
            node: "/nowhere/tfauth-node".into(),
            lb: "/nowhere/tfauth-lb".into(),
            ctl: "/nowhere/tfauth".into(),
        };
        let error = prepared.supervise(&binaries, Groups::Shared).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(&base.to_string()), "{error}");
    }
}
