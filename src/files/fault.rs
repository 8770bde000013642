//! Why a file is not as it should be, in the words of whoever has to mend it.

use std::path::PathBuf;

use super::content::Unquotable;
use crate::place;

/// Why a file could not be written or removed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The disk does not let us.
    #[error(transparent)]
    Place(#[from] place::Fault),
    /// The value cannot stand in a file of the format.
    #[error(transparent)]
    Unquotable(#[from] Unquotable),
    /// The file system hangs.
    #[error("the file system of {0} does not answer; check it")]
    Hanging(PathBuf),
    /// A mistake of ours.
    #[error("writing it failed inside the daemon; please report this with the daemon's log")]
    Broken,
}
