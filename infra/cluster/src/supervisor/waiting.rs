//! Waits for members: until one has ended by itself, is gone, or answers. Starts and signals nothing.

use super::{Spec, Supervisor};
use crate::child_log::{self, start_failure};
use crate::error::{Error, Result};
use crate::limits::{CHILD_START_SECONDS_MAX, CHILD_STOP_SECONDS_MAX, POLL};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{Instant, timeout};

impl Supervisor {
    /// Waits until a member has ended by itself; its exit code, or none when a signal ended it or it never ran.
    ///
    /// # Errors
    /// It does not end for as long as a stop may take.
    pub async fn wait_exit(&self, name: &str) -> Result<Option<i32>> {
        self.spec(name)?;
        let deadline = Instant::now() + Duration::from_secs(CHILD_STOP_SECONDS_MAX);
        loop {
            self.reap().await?;
            if self.described().pid(name).is_none() {
                return Ok(self.exits().get(name).and_then(ExitStatus::code));
            }
            if Instant::now() > deadline {
                return Err(Error::fault(format!(
                    "{name} still runs after {CHILD_STOP_SECONDS_MAX} s"
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn wait_gone(&self, name: &str, patience: Duration) -> Result<()> {
        let mut children = self.children.lock().await;
        let Some(child) = children.get_mut(name) else {
            return Ok(());
        };
        let in_time = timeout(patience, child.wait()).await.is_ok();
        if !in_time {
            let _ = child.kill().await;
        }
        children.remove(name);
        self.describe(|d| d.set_pid(name, None))?;
        if in_time {
            return Ok(());
        }
        Err(Error::fault(format!(
            "{name} did not stop within {} s and was killed: its log tells why",
            patience.as_secs()
        )))
    }

    pub(super) async fn wait_live(&self, name: &str, spec: &Spec) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(CHILD_START_SECONDS_MAX);
        loop {
            self.reap().await?;
            if self.described().pid(name).is_none() {
                let status = self.exits().get(name).copied();
                return Err(start_failure(name, status, &spec.log));
            }
            if self.prober.live(&spec.ops).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                let tail = child_log::tail(&spec.log);
                return Err(Error::fault(format!(
                    "{name} does not answer on {} after {CHILD_START_SECONDS_MAX} s; the end of {}:\n{tail}",
                    spec.ops,
                    spec.log.display()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
