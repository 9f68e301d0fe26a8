//! Which data folder a log belongs to, so that the log of another member is not taken for one's own.
//!
//! Must not be written into a log that holds anything.

use std::path::Path;

use super::frames::Frames;
use super::loaded::Loaded;
use crate::OpenError;

const META_OWNER: &[u8] = b"owner";

impl Frames {
    /// Makes a new log that of a data folder; a log of another one is refused.
    pub(crate) fn claim(&self, folder: &Path, owner: [u8; 16], loaded: &Loaded) -> Result<(), OpenError> {
        self.check_owner(folder, owner, loaded)?;
        if loaded.is_new() {
            self.write_meta(META_OWNER, |encoder| encoder.raw(&owner))
                .map_err(OpenError::io("cannot mark the log of", folder))?;
        }
        Ok(())
    }

    /// A log that holds anything must be that of this data folder.
    pub(crate) fn check_owner(&self, folder: &Path, owner: [u8; 16], loaded: &Loaded) -> Result<(), OpenError> {
        let found = self.read_meta(META_OWNER, |decoder| decoder.fixed::<16>("owner"));
        match found.map_err(|what| OpenError::quarantine(folder, what))? {
            Some(found) if found == owner => Ok(()),
            None if loaded.is_new() => Ok(()),
            Some(_) | None => Err(OpenError::quarantine(folder, "its log is that of another data folder")),
        }
    }
}
