//! The data folder from outside: what `verify` says of it, and what a node does about damage, a full disk and one that
//! became read-only.

use crate::account;
use crate::skipping::skipped;
use crate::support::Site;
use auth_api::dialect_003;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Exit code and verdict.
fn verify(folder: &Path) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_tfauth-node"))
        .args(["verify", "--json", "--data"])
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdict = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), verdict)
}

/// A node that made an account and was stopped in order.
async fn used_site() -> Site {
    let site = Site::new();
    let mut node = site.start();
    node.ready().await;
    let made = site
        .lb()
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert_eq!(made.unwrap().status(), 201, "{}", site.log());
    node.signal(Signal::TERM);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());
    site
}

/// Every second page of the log becomes zeros.
fn damage(site: &Site) {
    for entry in std::fs::read_dir(site.path("data/log")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        for page in bytes.chunks_mut(4096).step_by(2) {
            page.fill(0);
        }
        std::fs::write(path, bytes).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn verify_tells_a_sound_folder_from_one_in_use_a_damaged_one_and_none() {
    let site = used_site().await;
    let data = site.path("data");
    let (code, verdict) = verify(&data);
    assert_eq!((code, verdict["verdict"].as_str()), (Some(0), Some("ok")), "{verdict}");
    assert_eq!(verdict["report"]["node_id"], 1);
    assert!(verdict["report"]["log_entries"].as_u64() > Some(2), "{verdict}");

    let mut node = site.start();
    node.ready().await;
    let (code, verdict) = verify(&data);
    assert_eq!(
        (code, verdict["verdict"].as_str()),
        (Some(2), Some("refused")),
        "{verdict}"
    );
    assert!(
        verdict["reason"]
            .as_str()
            .unwrap()
            .contains("in use by another process"),
        "{verdict}"
    );
    node.signal(Signal::TERM);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());

    damage(&site);
    let (code, verdict) = verify(&data);
    assert_eq!(
        (code, verdict["verdict"].as_str()),
        (Some(3), Some("quarantine")),
        "{verdict}"
    );
    let (code, verdict) = verify(&site.path("nothing"));
    assert_eq!(
        (code, verdict["verdict"].as_str()),
        (Some(2), Some("refused")),
        "{verdict}"
    );
}

#[tokio::test]
async fn a_node_reads_its_whole_folder_after_a_kill_and_not_after_an_orderly_stop() {
    let site = used_site().await;
    let checks = || site.log().matches("checking the whole data folder").count();
    assert_eq!(checks(), 0, "a new folder has nothing to check");
    for (signal, expected) in [(Signal::KILL, 1), (Signal::TERM, 2), (Signal::TERM, 2)] {
        let mut node = site.start();
        node.ready().await;
        assert_eq!(checks(), expected, "{}", site.log());
        node.signal(signal);
        node.end();
    }
}

#[tokio::test]
async fn a_damaged_folder_is_left_alone_unless_the_configuration_says_rejoin() {
    let site = used_site().await;
    damage(&site);
    let before = names(&site.path("data"));
    let (code, said) = site.ends_by_itself();
    assert_eq!(code, Some(3), "{said}");
    for words in ["must not be used", "Nothing was changed", "damaged-disk.md"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert_eq!(names(&site.path("data")), before);
}

#[tokio::test]
async fn a_disk_without_room_is_called_full_and_not_damaged() {
    let Some(disk) = Tmpfs::mount("size=64m") else {
        return;
    };
    let site = Site::new();
    site.configure(|text| {
        text.replace(
            &site.path("data").display().to_string(),
            &disk.data().display().to_string(),
        )
    });
    let mut node = site.start();
    node.ready().await;
    let made = site
        .lb()
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert_eq!(made.unwrap().status(), 201, "{}", site.log());

    let ballast = disk.fill();
    // The log has its room in advance; saving the tables, once a minute, does not.
    let mut refused = None;
    for number in 0.. {
        let name = format!("filler{number}");
        let answer = site
            .lb()
            .post(site.url(dialect_003::USER))
            .json(&account(&name))
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status() == 201 => tokio::time::sleep(Duration::from_millis(500)).await,
            other => {
                refused = Some((name, other.map(|answer| answer.status().as_u16())));
                break;
            }
        }
    }
    let (name, answer) = refused.unwrap();
    assert!(!matches!(answer, Ok(200..=299)), "{name}: {answer:?}");
    assert_eq!(node.end().code(), Some(1), "{}", site.log());
    assert!(site.log().contains("this node stops at once"), "{}", site.log());

    let (code, said) = site.ends_by_itself();
    assert_eq!(code, Some(2), "a full disk is no damage: {said}");
    assert!(
        said.contains("the disk takes nothing") && said.contains("make room"),
        "{said}"
    );

    std::fs::remove_file(ballast).unwrap();
    assert_eq!(verify(&disk.data()).0, Some(0), "{}", verify(&disk.data()).1);
    let mut node = site.start();
    node.ready().await;
    let again = site
        .lb()
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert_eq!(
        again.unwrap().status(),
        409,
        "what was acknowledged is there\n{}",
        site.log()
    );
    node.signal(Signal::TERM);
    assert_eq!(node.end().code(), Some(0), "{}", site.log());
}

#[tokio::test]
async fn a_disk_that_became_read_only_ends_the_node_and_is_named_at_the_next_start() {
    let Some(disk) = Tmpfs::mount("size=64m") else {
        return;
    };
    let site = Site::new();
    site.configure(|text| {
        text.replace(
            &site.path("data").display().to_string(),
            &disk.data().display().to_string(),
        )
    });
    let mut node = site.start();
    node.ready().await;
    let made = site
        .lb()
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert_eq!(made.unwrap().status(), 201, "{}", site.log());
    node.signal(Signal::KILL);
    node.end();
    disk.remount("ro");
    let (code, said) = site.ends_by_itself();
    assert_eq!(code, Some(2), "a read-only disk is no damage: {said}");
    assert!(
        said.contains("Read-only") && said.contains(&disk.data().display().to_string()),
        "{said}"
    );
    disk.remount("rw");
    let mut node = site.start();
    node.ready().await;
    let again = site
        .lb()
        .post(site.url(dialect_003::USER))
        .json(&account("maria"))
        .send()
        .await;
    assert_eq!(
        again.unwrap().status(),
        409,
        "what was acknowledged is there\n{}",
        site.log()
    );
}

/// A disk of its own, in memory. Only root may mount; without root the test says so and proves nothing.
struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tfauth-test"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.as_ref().is_ok_and(|output| output.status.success());
        let refused = (!is_mounted).then(|| format!("this machine lets nobody mount a tmpfs here: {mounted:?}"));
        (!skipped(refused, false)).then_some(Self { folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn remount(&self, mode: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{mode}")])
            .arg(self.folder.path())
            .status();
        assert!(done.unwrap().success(), "remount {mode}");
    }

    /// Takes all the room there is; the file to remove for having it back.
    fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.folder.path().join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still hold it.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
