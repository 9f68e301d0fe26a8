//! A member as its parent holds it: started, told, listened to, killed.

use super::LeftOut;
use super::config::name;
use cluster_harness::certs;
use cluster_harness::layout::Layout;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What all members of one trial share: certificates, addresses, the program.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    layout: Layout,
    addresses: Vec<SocketAddr>,
    program: PathBuf,
    left_out: LeftOut,
}

impl Site {
    /// Papers and free addresses for so many members. `program` is `tfauth-proofs`.
    ///
    /// # Errors
    /// No temporary folder, no free ports.
    pub fn new(program: &Path, members: u64) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("tfauth-proof-")
            .tempdir()
            .map_err(|e| format!("no temporary folder: {e}"))?;
        let layout = Layout::new(folder.path()).map_err(|e| e.to_string())?;
        let names: Vec<String> = (1..=members).map(name).collect();
        certs::write_all(&layout, &names, &[]).map_err(|e| e.to_string())?;
        let listen = |_| TcpListener::bind("127.0.0.1:0").and_then(|l| Ok((l.local_addr()?, l)));
        // All held at once, so that they differ.
        let held: Vec<_> = (0..members)
            .map(listen)
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        Ok(Self {
            folder,
            layout,
            addresses: held.iter().map(|(address, _)| *address).collect(),
            program: program.to_owned(),
            left_out: LeftOut::Nothing,
        })
    }

    /// The same, with members that do not make everything durable.
    #[must_use]
    pub fn leaving_out(self, left_out: LeftOut) -> Self {
        Self { left_out, ..self }
    }

    /// A folder that lasts as long as the site.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where members listen, in the order of their numbers.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where their certificates and keys lie.
    #[must_use]
    pub fn papers(&self) -> PathBuf {
        self.layout.tls()
    }

    /// Starts a member on a data folder.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self, id: u64, data: &Path) -> Result<Member, String> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let mut command = Command::new(&self.program);
        command
            .arg("member")
            .args(["--id", &id.to_string(), "--addresses", &addresses.join(",")])
            .arg("--papers")
            .arg(self.layout.tls())
            .arg("--data")
            .arg(data)
            .args(["--dangerously-leave-out", self.left_out.name()]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", self.program.display()))?;
        let (sender, lines) = channel();
        let output = child.stdout.take().ok_or("a member without output")?;
        let errors = child.stderr.take().ok_or("a member without output")?;
        let other = sender.clone();
        let listen = |from: Box<dyn std::io::Read + Send>, to: std::sync::mpsc::Sender<String>, mark: &'static str| {
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    if to.send(format!("{mark}{line}")).is_err() {
                        return;
                    }
                }
            });
        };
        listen(Box::new(output), sender, "");
        listen(Box::new(errors), other, "stderr ");
        Ok(Member {
            input: child.stdin.take(),
            child,
            lines,
            heard: Heard::default(),
        })
    }
}

/// What a member has said.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Highest acknowledged number by key.
    pub acked: BTreeMap<String, u64>,
    /// Acknowledgements.
    pub acks: u64,
    /// Highest term in which it acknowledged as a leader.
    pub leader_term: u64,
    /// Term of its first acknowledgement as a leader.
    pub first_leader_term: Option<u64>,
    /// Highest term of a vote that it had saved.
    pub voted: u64,
    /// The term that it knew at its last report.
    pub term: Option<u64>,
    /// Whether a checkpoint was being written when it was last heard.
    pub in_checkpoint: bool,
    /// Whether it was opening its store.
    pub opening: bool,
    /// Whether it had opened its store.
    pub opened: bool,
    /// Numbers by key, as last reported.
    pub counts: BTreeMap<String, u64>,
    /// Index and digest of its tables, as last reported.
    pub digest: Option<(u64, String)>,
    /// What it found wrong.
    pub wrong: Vec<String>,
    /// Last words of a process that gave up.
    pub last_words: Vec<String>,
}

/// A process.
#[derive(Debug)]
pub struct Member {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has said so far.
    pub heard: Heard,
}

impl Member {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it something; a dead one is noticed when it is listened to.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}");
        }
    }

    /// Listens until a line begins with `word`. False when time is up or the process ended.
    pub fn wait_for(&mut self, word: &str, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.note(&line);
                    if line.split(' ').next() == Some(word) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Listens for so long.
    pub fn listen(&mut self, time: Duration) {
        self.wait_for("never", time);
    }

    /// Asks for everything it has, and listens until it is told.
    pub fn report(&mut self, patience: Duration) -> bool {
        self.heard.digest = None;
        self.say("report");
        self.wait_for("digest", patience)
    }

    /// SIGKILL; what it had said is heard to the end.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(mut self) -> Result<Heard, String> {
        let _gone_already = self.child.kill();
        self.child.wait().map_err(|e| e.to_string())?;
        while let Ok(line) = self.lines.recv() {
            self.heard.note(&line);
        }
        Ok(std::mem::take(&mut self.heard))
    }

    /// What it said last, for a message.
    pub fn last_words(&mut self) -> String {
        self.listen(Duration::from_millis(200));
        self.heard.last_words.join("; ")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have been killed and waited for already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Heard {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["ack", key, number, term] => self.note_ack(key, number, term),
            ["count", key, number] => {
                self.counts.insert((*key).to_owned(), number.parse().unwrap_or(0));
            }
            ["digest", applied, hex] => self.digest = Some((applied.parse().unwrap_or(0), (*hex).to_owned())),
            ["opening"] => self.opening = true,
            ["open"] => (self.opening, self.opened) = (false, true),
            ["voted", term] => self.voted = self.voted.max(term.parse().unwrap_or(0)),
            ["term", term] => self.term = term.parse().ok(),
            ["checkpoint", what] => self.in_checkpoint = *what == "begun",
            ["bad", ..] => self.wrong.push(line.to_owned()),
            _ => self.last_words.push(line.to_owned()),
        }
    }

    fn note_ack(&mut self, key: &str, number: &str, term: &str) {
        self.acks += 1;
        let highest = self.acked.entry(key.to_owned()).or_default();
        *highest = number.parse().unwrap_or(0).max(*highest);
        let term = term.parse().unwrap_or(0);
        self.leader_term = self.leader_term.max(term);
        if term > 0 {
            self.first_leader_term.get_or_insert(term);
        }
    }
}
