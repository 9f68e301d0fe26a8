//! What becomes of a damaged folder: first the verdict of `tfauth-node verify`, then, after an OK, the store itself.

use super::ground::{Ground, Patient, copy, lost};
use super::injury::Injury;
use super::{Campaign, PATIENCE};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Called sound, and everything is there.
    Ok,
    /// Told, with the reason.
    Quarantine(String),
    /// The process that read it crashed, hung or said nothing, which its parent takes for quarantine.
    Died(String),
    /// Refused for a reason that is not damage.
    Refused(String),
    /// Something acknowledged is gone, or the store crashed, and the verdict was OK. Must never be.
    Silent(String),
}

pub(super) struct Judge<'a> {
    campaign: &'a Campaign,
    reports: Vec<(&'static str, Value)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(campaign: &'a Campaign, ground: &Ground) -> Self {
        let mut judge = Self {
            campaign,
            reports: Vec::new(),
        };
        for patient in &ground.patients {
            // What the folder says of itself unharmed, on a copy: reading it changes files of sled.
            let report = scratch(patient).and_then(|scratch| judge.verify(&scratch.path().join("data")));
            if let Ok((_, Some(verdict))) = report {
                judge.reports.push((patient.name, verdict["report"].clone()));
            }
        }
        judge
    }

    pub(super) fn judge(&self, patient: &Patient, injury: &Injury) -> Result<Outcome, String> {
        let scratch = scratch(patient)?;
        let folder = scratch.path().join("data");
        injury.inflict(patient, &folder)?;
        let (code, verdict) = self.verify(&folder)?;
        let reason = || {
            let said = verdict.as_ref().and_then(|verdict| verdict["reason"].as_str());
            said.unwrap_or_default().to_owned()
        };
        let name = verdict.as_ref().and_then(|verdict| verdict["verdict"].as_str());
        Ok(match (code, name) {
            (Some(0), Some("ok")) => self.open(
                patient,
                &folder,
                verdict.as_ref().map_or(&Value::Null, |v| &v["report"]),
            ),
            (Some(3), Some("quarantine")) => Outcome::Quarantine(reason()),
            (Some(2), Some("refused")) => Outcome::Refused(reason()),
            (code, _) => Outcome::Died(format!("exit code {code:?}")),
        })
    }

    /// Exit code and verdict, if it gave one in time.
    fn verify(&self, folder: &Path) -> Result<(Option<i32>, Option<Value>), String> {
        let mut child = Command::new(&self.campaign.node)
            .args(["verify", "--json", "--data"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot run {}: {e}", self.campaign.node.display()))?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break status;
            }
            if began.elapsed() > PATIENCE {
                // It hangs: this is what its parent does as well.
                let _gone = child.kill();
                break child.wait().map_err(|e| e.to_string())?;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut said = String::new();
        if let Some(mut output) = child.stdout.take() {
            output.read_to_string(&mut said).map_err(|e| e.to_string())?;
        }
        Ok((status.code(), serde_json::from_str(said.trim()).ok()))
    }

    /// Everything that was promised must be there.
    fn open(&self, patient: &Patient, folder: &Path, report: &Value) -> Outcome {
        if let Some(what) = self.older_than_before(patient, report) {
            return Outcome::Silent(what);
        }
        let mut member = match patient.site.start(patient.id, folder) {
            Ok(member) => member,
            Err(why) => return Outcome::Silent(why),
        };
        if !member.wait_for("open", PATIENCE) {
            let words = member.last_words();
            let told = words.contains("must not be used") || words.contains("must not be used again");
            return if told {
                Outcome::Quarantine(words)
            } else {
                Outcome::Silent(format!("the store does not open: {words}"))
            };
        }
        if !patient.alone {
            return Outcome::Ok;
        }
        if !member.report(PATIENCE) {
            return Outcome::Silent(format!("the store does not answer: {}", member.last_words()));
        }
        let mut wrong = member.heard.wrong.clone();
        wrong.extend(lost(&patient.promised.acked, &member.heard.counts));
        let (before, now) = (patient.promised.leader_term, member.heard.term.unwrap_or(0));
        if now <= before {
            wrong.push(format!(
                "its vote went back: it leads in term {now}, and had led in {before}"
            ));
        }
        match wrong.first() {
            None => Outcome::Ok,
            Some(first) => Outcome::Silent(format!("{first} ({} in all)", wrong.len())),
        }
    }

    /// What a sound folder says of itself must not be less than before.
    fn older_than_before(&self, patient: &Patient, report: &Value) -> Option<String> {
        let before = self.reports.iter().find(|(name, _)| *name == patient.name);
        let before = before.map_or(&Value::Null, |(_, report)| report);
        if report["vote"] != before["vote"] {
            return Some(format!("its vote is {}, it was {}", report["vote"], before["vote"]));
        }
        if patient.alone {
            // What it has is asked of the store itself; without its redo file a checkpoint that had changed nothing yet is
            // not finished but written anew, from the log.
            return None;
        }
        // Behind what was promised lie entries that were being written when it was killed; nobody counts on those.
        for (what, promise) in [("log_last", "log_promised"), ("tables_entries", "tables_entries")] {
            let now = report[what].as_u64().unwrap_or(0);
            let then = before[promise].as_u64().unwrap_or(u64::MAX);
            if now < then {
                return Some(format!("{what} is {now}, promised was {then}"));
            }
        }
        let same_entries = report["tables_entries"] == before["tables_entries"];
        (same_entries && report["tables_rows"] != before["tables_rows"])
            .then(|| format!("{} rows, there were {}", report["tables_rows"], before["tables_rows"]))
    }
}

fn scratch(patient: &Patient) -> Result<tempfile::TempDir, String> {
    let scratch = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let folder: PathBuf = scratch.path().join("data");
    copy(&patient.folder, &folder)?;
    Ok(scratch)
}
