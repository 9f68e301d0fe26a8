//! Shows the members' logs, one or all, once or as they grow.

use crate::description::Description;
use crate::error::{Error, Result};
use crate::limits::POLL;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, Write};
use std::path::PathBuf;

struct Tail {
    prefix: String,
    path: PathBuf,
    reader: Option<BufReader<File>>,
    pending: Vec<u8>,
}

/// Prints the log of `name`, or of everybody with names before the lines. With `follow`, never returns unless it fails.
///
/// # Errors
/// Refuses an unknown name; a fault when `out` cannot be written.
pub async fn show(description: &Description, name: Option<&str>, follow: bool, out: &mut impl Write) -> Result<()> {
    let all = description
        .nodes
        .iter()
        .map(|n| (&n.name, &n.log))
        .chain(description.lbs.iter().map(|l| (&l.name, &l.log)));
    let width = description.names().iter().map(String::len).max().unwrap_or(0);
    let chosen = all.filter(|(n, _)| name.is_none_or(|wanted| wanted == *n));
    let mut tails: Vec<Tail> = chosen
        .map(|(n, path)| Tail {
            prefix: if name.is_some() {
                String::new()
            } else {
                format!("{n:<width$} | ")
            },
            path: path.clone(),
            reader: None,
            pending: Vec::new(),
        })
        .collect();
    if let (true, Some(name)) = (tails.is_empty(), name) {
        let members = description.names().join(", ");
        return Err(Error::refused(format!(
            "there is no {name} in this cluster: its members are {members}"
        )));
    }
    loop {
        for tail in &mut tails {
            match tail.copy(out) {
                Ok(()) => {}
                // The reader has seen enough.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                Err(e) => return Err(Error::file("show", &tail.path, &e)),
            }
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Tail {
    /// Prints whole lines that came since the last time.
    fn copy(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => match File::open(&self.path) {
                Ok(file) => self.reader.insert(BufReader::new(file)),
                Err(_) => return Ok(()),
            },
        };
        // A cluster that was started anew has a shorter file.
        if reader.get_ref().metadata()?.len() < reader.stream_position()? {
            reader.rewind()?;
        }
        while reader.read_until(b'\n', &mut self.pending)? > 0 {
            if self.pending.ends_with(b"\n") {
                out.write_all(self.prefix.as_bytes())?;
                out.write_all(&self.pending)?;
                self.pending.clear();
            }
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::settings::{Settings, Wish};

    #[tokio::test]
    async fn lines_carry_names_only_when_there_are_several() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let description = Description::new(&layout, &Settings::fresh(Wish::default()).unwrap()).unwrap();
        for name in ["node-1", "lb-1"] {
            std::fs::create_dir(layout.member(name)).unwrap();
            std::fs::write(layout.log(name), format!("hello from {name}\nhalf a line")).unwrap();
        }
        let mut out = Vec::new();
        show(&description, None, false, &mut out).await.unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "node-1 | hello from node-1\nlb-1   | hello from lb-1\n"
        );
        let mut out = Vec::new();
        show(&description, Some("lb-1"), false, &mut out).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "hello from lb-1\n");
        let error = show(&description, Some("lb-7"), false, &mut Vec::new())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("lb-7") && error.to_string().contains("node-3"),
            "{error}"
        );
    }
}
