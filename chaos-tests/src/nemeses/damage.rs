//! Data folders that are damaged, or restored from an old image, while their node is down. The node may come back, refuse its
//! folder, or be told to stay out; it must not spread anything. Where it does not come back it is replaced, as the runbook says.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use crate::folders::written;
use futures_util::FutureExt as _;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "damaged-files",
        about: "bits flip and pages become zero in the files of a node that is down",
        need: Need::Nothing,
        act: |field, _| async move { damage(field).await }.boxed(),
    },
    Nemesis {
        name: "old-image",
        about: "the whole data folder of a node is restored from an older image",
        need: Need::Nothing,
        act: |field, hold| async move { restore(field, hold).await }.boxed(),
    },
];

/// How long a node is watched before it is judged to be back.
const WATCHED: Duration = Duration::from_secs(4);
const PAGE_BYTES: u64 = 4_096;

async fn damage(field: &Field) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    field.kill(&victim).await?;
    let data = field.cluster.layout().data(&victim);
    let file = field.pick(&databases(&data)?)?;
    let length = written(&file).map_err(text)?;
    let pages = length.div_ceil(PAGE_BYTES);
    let handle = fs::File::options().read(true).write(true).open(&file).map_err(text)?;
    let hits = field.within(1..=6);
    for _ in 0..hits {
        let at = field.within(0..=pages.saturating_sub(1)) * PAGE_BYTES;
        if field.within(0..=1) == 0 {
            handle.write_all_at(&[0; 512], at).map_err(text)?;
        } else {
            let mut byte = [0];
            let at = at + field.within(0..=PAGE_BYTES - 1);
            let _end = handle.read_at(&mut byte, at).map_err(text)?;
            handle.write_all_at(&[byte[0] ^ 0x10], at).map_err(text)?;
        }
    }
    let ended = come_back_or_replace(field, &victim).await?;
    let note = format!("{hits} places of {} bytes of {}: {ended}", length, file.display());
    Ok(Strike::on(&[victim], pages > 0, note))
}

/// Files with something in them: segments of the log, and databases of the tables from the first checkpoint on.
fn databases(data: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = crate::canary::files_below(data)?;
    files.retain(|file| {
        let is_database = file.file_name().is_some_and(|name| name == "db");
        let is_segment = file.extension().is_some_and(|kind| kind == "log");
        (is_database || is_segment) && written(file).is_ok_and(|length| length >= PAGE_BYTES)
    });
    files.sort();
    Ok(files)
}

async fn restore(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let data = field.cluster.layout().data(&victim);
    let image = field.cluster.layout().member(&victim).join("old-image");
    field.kill(&victim).await?;
    let _none = fs::remove_dir_all(&image);
    copy(&data, &image)?;
    // Whoever comes back acknowledges more, which the image does not have.
    field.start(&victim).await?;
    sleep(hold).await;
    field.kill(&victim).await?;
    fs::remove_dir_all(&data).map_err(text)?;
    copy(&image, &data)?;
    let ended = come_back_or_replace(field, &victim).await?;
    Ok(Strike::on(&[victim], true, ended))
}

async fn come_back_or_replace(field: &Field, victim: &str) -> Result<String, String> {
    let members = field.cluster.members();
    members.launch(victim).await.map_err(text)?;
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        sleep(crate::limits::POLL * 2).await;
        members.reap().await.map_err(text)?;
        if field.pid(victim).is_none() {
            break;
        }
    }
    let status = field.status().await;
    if !status.sick().contains(&victim) {
        return Ok("it came back".to_owned());
    }
    let replaced = field.cluster.replace_node(victim).await.map_err(text)?;
    Ok(format!(
        "it stayed out; node {} was replaced by node {}",
        replaced.old, replaced.new
    ))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(text)?;
    for entry in fs::read_dir(from).map_err(text)?.flatten() {
        let (kind, target) = (entry.file_type().map_err(text)?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target).map_err(text)?;
        }
    }
    Ok(())
}
