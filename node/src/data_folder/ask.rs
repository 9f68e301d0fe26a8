//! Starts `tfauth-node verify` and waits for its verdict, no longer than reading the folder can take.
//!
//! Must not take silence, a crash or a hang for "sound".

use super::verdict::from_json;
use crate::clock;
use crate::limits::{VERIFY_BYTES_PER_SECOND_MIN, VERIFY_POLL, VERIFY_STDERR_BYTES_MAX, VERIFY_WAIT_BASE};
use raft_store::verify::Verdict;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the process ended.
enum End {
    Exit(ExitStatus),
    TooLate(Duration),
    Cancelled,
}

/// The verdict of this program, run again for the folder. Blocks.
pub(super) fn ask(folder: &Path, cancelled: &AtomicBool) -> Verdict {
    // By this name it is the running program even when the file was replaced since.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["verify", "--json", "--end-with-stdin", "--data"])
        .arg(folder);
    ask_command(command, patience(folder), cancelled)
}

fn patience(folder: &Path) -> Duration {
    VERIFY_WAIT_BASE + Duration::from_secs(folder_bytes(folder) / VERIFY_BYTES_PER_SECOND_MIN)
}

fn ask_command(mut command: Command, patience: Duration, cancelled: &AtomicBool) -> Verdict {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Verdict::Refused(format!("cannot start a process to check the data folder: {error}")),
    };
    let output = collect(child.stdout.take());
    let complaints = collect(child.stderr.take());
    let end = match wait(&mut child, patience, cancelled) {
        Ok(end) => end,
        Err(error) => return Verdict::Refused(format!("cannot wait for the check of the data folder: {error}")),
    };
    let (output, complaints) = (text(output), text(complaints));
    match end {
        End::Cancelled => Verdict::Refused("stopped while the data folder was being checked".into()),
        End::TooLate(patience) => Verdict::Quarantine(format!(
            "reading it was given up after {} s; a sound folder of this size takes much less",
            patience.as_secs()
        )),
        End::Exit(status) => {
            let said = from_json(&output).filter(|verdict| status.code() == Some(exit_code(verdict)));
            said.unwrap_or_else(|| {
                let last = complaints.trim_end().lines().next_back().unwrap_or("nothing was said");
                Verdict::Quarantine(format!("the process that read it ended with {status}: {last}"))
            })
        }
    }
}

fn exit_code(verdict: &Verdict) -> i32 {
    match verdict {
        Verdict::Sound(_) => 0,
        Verdict::Quarantine(_) => i32::from(super::verify::QUARANTINE),
        Verdict::Refused(_) => 2,
    }
}

fn wait(child: &mut Child, patience: Duration, cancelled: &AtomicBool) -> io::Result<End> {
    let began = clock::monotonic();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exit(status));
        }
        let too_late = clock::monotonic().duration_since(began) >= patience;
        if too_late || cancelled.load(Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok(if too_late {
                End::TooLate(patience)
            } else {
                End::Cancelled
            });
        }
        std::thread::sleep(VERIFY_POLL);
    }
}

/// Reads a pipe to its end, so that the process never waits for it, and keeps the last part.
fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        let Some(mut pipe) = pipe else {
            return kept;
        };
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 {
                break;
            }
            kept.extend_from_slice(&buffer[..count]);
            let surplus = kept.len().saturating_sub(VERIFY_STDERR_BYTES_MAX);
            kept.drain(..surplus);
        }
        kept
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}

/// Bytes of all files in a folder; what cannot be looked at counts nothing.
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Verdict {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask_command(command, patience, &AtomicBool::new(false))
    }

    fn quarantined(script: &str, patience: Duration) -> String {
        match shell(script, patience) {
            Verdict::Quarantine(why) => why,
            other @ (Verdict::Sound(_) | Verdict::Refused(_)) => panic!("{script}: {other:?}"),
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn every_end_but_a_verdict_is_quarantine() {
        for script in [
            "echo sled gave up >&2; kill -s ABRT $$",
            "kill -s KILL $$",
            "exit 101",
            "exit 0",
            "echo '{}'",
            r#"echo '{"verdict":"refused","reason":"x"}'; exit 3"#,
            r#"echo '{"verdict":"quarantine","reason":"x"}'; exit 0"#,
        ] {
            quarantined(script, LONG);
        }
        assert!(quarantined("echo sled gave up >&2; kill -s ABRT $$", LONG).contains("sled gave up"));
    }

    #[test]
    fn a_hang_is_quarantine_and_the_process_is_gone() {
        let began = clock::monotonic();
        let why = quarantined("exec sleep 600", Duration::from_millis(100));
        assert!(why.contains("given up"), "{why}");
        assert!(clock::monotonic().duration_since(began) < LONG);
    }

    #[test]
    fn a_flood_of_output_is_no_hang() {
        let script = r#"yes | head -c 1000000 >&2; echo '{"verdict":"refused","reason":"full"}'; exit 2"#;
        assert_eq!(shell(script, LONG), Verdict::Refused("full".into()));
    }

    #[test]
    fn whoever_is_told_to_stop_does_not_wait() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let verdict = ask_command(command, LONG, &AtomicBool::new(true));
        assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
    }
}
