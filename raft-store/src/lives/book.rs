//! The rule at work: what the guard file holds of this member's lives and of what was seen of others.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::rule::{Life, Lineage, Memory};
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::peer::greeting::{Code, Refusal};
use crate::quarantine;

/// See the module.
pub(crate) struct Lives {
    guard: Arc<Guard>,
    /// Entries that were there when the folder was opened.
    found: u64,
    /// What a member said when it told us that we had forgotten something.
    restored: watch::Sender<Option<String>>,
}

impl Lives {
    pub(crate) fn new(guard: Arc<Guard>, found: u64) -> Self {
        Self {
            guard,
            found,
            restored: watch::Sender::new(None),
        }
    }

    /// What this member says of itself now.
    pub(crate) fn lineage(&self) -> Lineage {
        Lineage {
            found: self.found,
            ..self.guard.lineage()
        }
    }

    /// This life, as far as it is on disk.
    pub(crate) fn now(&self) -> Life {
        self.guard.lineage().now
    }

    /// Everything that is remembered. Taken before a greeting is asked for, it is no newer than the greeting.
    pub(crate) fn recall(&self) -> BTreeMap<u64, Memory> {
        self.guard.members()
    }

    /// Judges a member by what it says of itself, and remembers a life that was not known before; that is on disk when
    /// this returns. `recalled` is from before the member was asked.
    pub(crate) async fn meet(
        &self,
        (id, incarnation): (u64, [u8; 16]),
        recalled: &BTreeMap<u64, Memory>,
        lineage: &Lineage,
    ) -> io::Result<Result<(), Refusal>> {
        let of_folder = |memory: Option<&Memory>| memory.copied().filter(|memory| memory.incarnation == incarnation);
        let (then, now) = (of_folder(recalled.get(&id)), of_folder(self.guard.members().get(&id)));
        // Another connection may have brought news of the same life meanwhile: only what was known before can be missing.
        let same_life = |memory: &Memory| memory.life.id == lineage.now.id;
        let against = if now.as_ref().is_some_and(same_life) { then } else { now };
        if let Some(lost) = against.and_then(|memory| lineage.check(&memory).err()) {
            let text = format!(
                "node {id} has forgotten what it had promised: {lost}. Its data folder was restored from an older image or \
                 copy; keep it out, wipe it, and let the machine join as a new node"
            );
            return Ok(Err(Refusal::new(Code::Restored, text)));
        }
        if now.as_ref().is_some_and(same_life) {
            self.guard.saw(id, lineage.now);
            return Ok(Ok(()));
        }
        let memory = Memory {
            incarnation,
            life: lineage.now,
            held: now.map_or(0, |memory| memory.held),
        };
        let guard = self.guard.clone();
        let remembered = tokio::task::spawn_blocking(move || guard.remember(id, memory)).await;
        remembered.map_err(io::Error::other)??;
        Ok(Ok(()))
    }

    /// A member told on an open connection how far it got.
    pub(crate) fn saw(&self, id: u64, life: Life) {
        self.guard.saw(id, life);
    }

    /// A member acknowledged so many committed entries.
    pub(crate) fn held(&self, id: u64, entries: u64) {
        self.guard.held(id, entries);
    }

    /// These ids are out for ever.
    pub(crate) fn forget(&self, gone: impl Fn(u64) -> bool) {
        self.guard.forget(gone);
    }

    /// A member refused us; one reason means that this folder is older than what its node has promised.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        if refusal.is(Code::Restored) {
            self.restored.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert_with(|| refusal.text.clone());
                first
            });
        }
    }
}

/// Stops this member once another one has told it that it forgot something, and marks its folder so that it is not opened
/// again.
pub(crate) async fn stop_when_restored(lives: Arc<Lives>, fault: FaultCell, folder: Arc<Path>) {
    let mut told = lives.restored.subscribe();
    let why = match told.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        Err(_) => return,
    };
    // First the mark: whoever hears of the fault may end the process at once.
    let marking = (folder.clone(), format!("another member says: {why}"));
    let marked = tokio::task::spawn_blocking(move || quarantine::mark(&marking.0, &marking.1)).await;
    if let Err(error) = marked.map_err(io::Error::other).and_then(|marked| marked) {
        tracing::error!(%error, "the data folder could not be marked: do not start this node on it again");
    }
    fault.restored(&folder, &why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::identity::Identity;

    fn lives(folder: &Path, node_id: u64) -> Lives {
        let owner = Identity {
            cluster_id: [1; 16],
            node_id,
            incarnation: [u8::try_from(node_id).unwrap(); 16],
        };
        Lives::new(Arc::new(Guard::open(&Disk::Real, folder, owner).unwrap().0), 0)
    }

    async fn meet(watcher: &Lives, member: &Lives) -> Result<(), Refusal> {
        let recalled = watcher.recall();
        watcher.meet((2, [2; 16]), &recalled, &member.lineage()).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_seen_of_a_member_outlives_the_one_who_saw_it() {
        let (watching, living) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (watcher, member) = (lives(watching.path(), 1), lives(living.path(), 2));
        let image = std::fs::read(living.path().join("guard")).unwrap();
        assert_eq!(meet(&watcher, &member).await, Ok(()));
        drop(member);
        let member = lives(living.path(), 2);
        assert_eq!(meet(&watcher, &member).await, Ok(()), "it only crashed");
        drop((watcher, member));
        std::fs::write(living.path().join("guard"), image).unwrap();
        for start in 0..3 {
            let (watcher, restored) = (lives(watching.path(), 1), lives(living.path(), 2));
            let refusal = meet(&watcher, &restored).await.unwrap_err();
            assert!(
                refusal.is(Code::Restored) && refusal.text.contains("older image"),
                "start {start}: {refusal:?}"
            );
        }
    }

    #[tokio::test]
    async fn news_of_the_same_life_that_overtake_a_greeting_do_no_harm() {
        let (watching, living) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (watcher, member) = (lives(watching.path(), 1), lives(living.path(), 2));
        let (recalled, greeting) = (watcher.recall(), member.lineage());
        member.guard.update(|promises| promises.checkpoint = 1).unwrap();
        assert_eq!(meet(&watcher, &member).await, Ok(()));
        assert_eq!(watcher.meet((2, [2; 16]), &recalled, &greeting).await.unwrap(), Ok(()));
        let late = watcher.meet((2, [2; 16]), &watcher.recall(), &greeting).await.unwrap();
        assert!(
            late.is_err_and(|refusal| refusal.is(Code::Restored)),
            "said after it was seen further: an image with its memory"
        );
    }

    #[tokio::test]
    async fn a_refusal_for_this_reason_marks_the_folder_and_stops() {
        let folder = tempfile::tempdir().unwrap();
        let (lives, fault) = (Arc::new(lives(folder.path(), 2)), FaultCell::new());
        let stopping = tokio::spawn(stop_when_restored(lives.clone(), fault.clone(), folder.path().into()));
        lives.refused(&Refusal::new(Code::Unknown, "who"));
        lives.refused(&Refusal::new(Code::Restored, "you forgot"));
        stopping.await.unwrap();
        let fault = fault.get().unwrap();
        let words = fault.to_string();
        assert!(matches!(fault, crate::Fault::Restored { .. }), "{fault:?}");
        assert!(
            words.contains("you forgot") && words.contains(&folder.path().display().to_string()),
            "{words}"
        );
        assert!(quarantine::is_marked(&Disk::Real, folder.path()));
    }
}
