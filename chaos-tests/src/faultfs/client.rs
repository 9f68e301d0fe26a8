//! The other end: a disk as a test holds it. Dropping it unmounts.

use super::limits::ANSWER_MAX;
use super::program::{MOUNT_NAME, unmount};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A mounted disk that does what it is told.
#[derive(Debug)]
pub struct FaultDisk {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    folder: PathBuf,
}

/// Why this machine cannot mount such a disk; nothing when it can.
#[must_use]
pub fn missing() -> Option<String> {
    let device = Path::new("/dev/fuse");
    match fs::File::options().read(true).write(true).open(device) {
        Ok(_) => None,
        Err(e) => Some(format!("{} cannot be opened: {e}", device.display())),
    }
}

impl FaultDisk {
    /// Mounts an empty disk on the folder, which is made if it is not there. `program` is `tfauth-proofs`.
    ///
    /// # Errors
    /// It cannot be mounted; with what the process said.
    pub fn mount(program: &Path, folder: &Path) -> Result<Self, String> {
        sweep();
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut child = Command::new(program)
            .arg("faultfs")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("the process has no output")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let disk = Self {
            child,
            input,
            answers,
            folder: folder.to_owned(),
        };
        match disk.answers.recv_timeout(ANSWER_MAX) {
            Ok(line) if line == "mounted" => Ok(disk),
            Ok(line) => Err(format!("the disk said {line:?} instead of that it is mounted")),
            Err(_) => Err(format!("no disk could be mounted on {}: see above", folder.display())),
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Power goes: every request fails from now on, and nothing more becomes durable.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn power_off(&mut self) -> Result<(), String> {
        self.ask("off").map(drop)
    }

    /// Power is back, with what the seed leaves of everything that was not synced; says what was at risk.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn power_on(&mut self, seed: u64) -> Result<String, String> {
        self.ask(&format!("on {seed}"))
    }

    /// Every request takes so much longer.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn slow(&mut self, delay: Duration) -> Result<(), String> {
        self.ask(&format!("latency all {}", delay.as_millis())).map(drop)
    }

    /// Every fsync takes so much longer.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn slow_sync(&mut self, delay: Duration) -> Result<(), String> {
        self.ask(&format!("latency sync {}", delay.as_millis())).map(drop)
    }

    /// Every fsync fails, or works again.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn fail_sync(&mut self, fail: bool) -> Result<(), String> {
        self.ask(&format!("fail-sync {}", on(fail))).map(drop)
    }

    /// Every change fails, or works again.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn read_only(&mut self, read_only: bool) -> Result<(), String> {
        self.ask(&format!("read-only {}", on(read_only))).map(drop)
    }

    /// Files may hold so many bytes in all, or as many as they like.
    ///
    /// # Errors
    /// The process does not answer.
    pub fn capacity(&mut self, bytes: Option<u64>) -> Result<(), String> {
        let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        self.ask(&format!("capacity {bytes}")).map(drop)
    }

    /// One of the counters `used-bytes`, `reads`, `writes`, `syncs`.
    ///
    /// # Errors
    /// The process does not answer, or has no such counter.
    pub fn stat(&mut self, name: &str) -> Result<u64, String> {
        let answer = self.ask("stats")?;
        let mut words = answer.split_whitespace().skip_while(|word| *word != name);
        let value = words.nth(1).and_then(|word| word.parse().ok());
        value.ok_or_else(|| format!("no {name} in {answer:?}"))
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        let input = self.input.as_mut().ok_or("the disk is being unmounted")?;
        writeln!(input, "{line}").map_err(|e| format!("the process of the disk is gone: {e}"))?;
        let answer = self
            .answers
            .recv_timeout(ANSWER_MAX)
            .map_err(|_| format!("the disk does not answer {line:?}"))?;
        answer
            .strip_prefix("ok")
            .map(|rest| rest.trim().to_owned())
            .ok_or(answer)
    }
}

impl Drop for FaultDisk {
    fn drop(&mut self) {
        // The end of its input tells the process to unmount and go; what is left of it is taken away here.
        drop(self.input.take());
        unmount(&self.folder);
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        unmount(&self.folder);
    }
}

fn on(state: bool) -> &'static str {
    if state { "on" } else { "off" }
}

/// Takes away mounts whose process was killed: they answer nothing but errors.
fn sweep() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(folder)) = (words.next(), words.next()) else {
            continue;
        };
        let process = name.strip_prefix(MOUNT_NAME).and_then(|id| id.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            unmount(Path::new(folder));
        }
    }
}
