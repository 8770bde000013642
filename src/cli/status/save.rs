//! Saving the page: for its owner alone, and in one step, so that a browser never loads half of it. Only a plain file makes way for it:
//! root who names /dev/null or /dev/stdout would lose that otherwise.

use std::fs::{OpenOptions, remove_file, rename};
use std::io::{Error, Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Writes `bytes` into `file`, or into its place.
pub fn save(file: &Path, bytes: &[u8]) -> Result<()> {
    if file.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(Error::other("it is there and no plain file"));
    }
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
        assert!(save(&dir.path().join("none/status.html"), b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_plain_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, link) = (dir.path().join("fifo"), dir.path().join("link"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/nowhere", &link).unwrap();
        for path in [&fifo, &link] {
            let error = save(path, b"x").unwrap_err().to_string();
            assert!(error.contains("no plain file"), "{error}");
            assert!(!path.symlink_metadata().unwrap().is_file());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
