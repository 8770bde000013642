//! Saving the page: for its owner alone, and in one step, so that a browser never loads half of it.

use std::fs::{OpenOptions, remove_file, rename};
use std::io::{Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Writes `bytes` into `file`, or into its place.
pub fn save(file: &Path, bytes: &[u8]) -> Result<()> {
    let new = beside(file);
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let saved = to.write_all(bytes).and_then(|()| rename(&new, file));
    if saved.is_err() {
        // What is said is why the first thing failed.
        let _ = remove_file(&new);
    }
    saved
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_page_is_for_its_owner_and_nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("status.html");
        save(&file, b"one").unwrap();
        save(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::create_dir(dir.path().join("full")).unwrap();
        assert!(save(&dir.path().join("full"), b"x").is_err(), "a directory is no file");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
