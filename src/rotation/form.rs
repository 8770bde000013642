//! What a file is beside its content: who may read it, and whether another can take its place.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, XattrFlags, fremovexattr, fsetxattr, getxattr, statx};
use rustix::io::Errno;

/// The access list, in the kernel's own spelling, which it takes back as it gave it.
const ACCESS_LIST: &str = "system.posix_acl_access";
/// No extended attribute is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Who may read a file: mode, owner, group and access list.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// The owner.
    pub uid: u32,
    gid: u32,
    mode: u32,
    access_list: Option<Vec<u8>>,
}

impl Form {
    /// That of the file at `path`.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o777);
        Ok(Self { uid, gid, mode, access_list: access_list(path)? })
    }

    /// Gives it to `file`.
    ///
    /// # Errors
    /// What the system says, for one that it is not allowed to give too.
    pub fn give(&self, file: &File) -> io::Result<()> {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (self.uid, self.gid) {
            fchown(file, Some(self.uid), Some(self.gid))?;
        }
        match &self.access_list {
            Some(list) => fsetxattr(file, ACCESS_LIST, list, XattrFlags::empty())?,
            // One that the directory gives to whatever is made in it.
            None => missing_is_fine(fremovexattr(file, ACCESS_LIST))?.unwrap_or_default(),
        }
        file.set_permissions(Permissions::from_mode(self.mode))
    }
}

fn access_list(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut list = vec![0; LONGEST];
    let length = missing_is_fine(getxattr(path, ACCESS_LIST, &mut list[..]))?;
    Ok(length.map(|length| {
        list.truncate(length);
        list
    }))
}

/// There is no access list, or none in this file system.
fn missing_is_fine<T>(outcome: Result<T, Errno>) -> io::Result<Option<T>> {
    match outcome {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

/// Why nothing can take the place of the file at `path`, or should; with what to do.
///
/// # Errors
/// What the system says.
pub fn obstacle(path: &Path) -> io::Result<Option<&'static str>> {
    let metadata = path.symlink_metadata()?;
    Ok(if !metadata.is_file() {
        Some("is not a plain file")
    } else if metadata.nlink() > 1 {
        Some(
            "has another name, a hard link, which would keep the old secret; remove that name, or make it a symbolic link to this one",
        )
    } else {
        fixed(path)?
    })
}

/// An older kernel does not tell; then it comes out when the file is to be replaced.
fn fixed(path: &Path) -> io::Result<Option<&'static str>> {
    let attributes = match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
        Ok(answer) => answer.stx_attributes & answer.stx_attributes_mask,
        Err(Errno::NOSYS) => return Ok(None),
        Err(cause) => return Err(cause.into()),
    };
    let remedies = [
        (
            StatxAttributes::MOUNT_ROOT,
            "is mounted by itself, so no other file can take its place; mount the directory it is in instead",
        ),
        (StatxAttributes::IMMUTABLE, "is marked immutable, so no other file can take its place; chattr -i it"),
        (StatxAttributes::APPEND, "is marked append-only, so no other file can take its place; chattr -a it"),
    ];
    Ok(remedies.into_iter().find(|(attribute, _)| attributes.contains(*attribute)).map(|(_, remedy)| remedy))
}

#[cfg(test)]
mod tests {
    use rustix::fs::setxattr;

    use super::*;

    /// Version 2; the owner reads and writes, user 4711 reads, the group nothing, the mask lets read, others nothing.
    const LIST: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 4711), (4, 0, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];

    fn list() -> Vec<u8> {
        let entries = LIST.iter().flat_map(|(tag, rights, id)| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes()[..], &id.to_le_bytes()[..]].concat()
        });
        2_u32.to_le_bytes().into_iter().chain(entries).collect()
    }

    #[test]
    fn an_access_list_is_carried_over_and_one_of_the_directory_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, "old").unwrap();
        std::fs::set_permissions(&old, Permissions::from_mode(0o600)).unwrap();
        let plain = Form::of(&old).unwrap();
        let file = File::create(&new).unwrap();
        plain.give(&file).unwrap();
        assert_eq!((&Form::of(&new).unwrap(), &plain.access_list), (&plain, &None));

        if setxattr(&old, ACCESS_LIST, &list(), XattrFlags::empty()) == Err(Errno::OPNOTSUPP) {
            eprintln!("not tried: this file system has no access lists");
            return;
        }
        let listed = Form::of(&old).unwrap();
        assert_eq!((listed.mode, listed.access_list.as_ref()), (0o640, Some(&list())));
        listed.give(&file).unwrap();
        assert_eq!(Form::of(&new).unwrap(), listed);
        plain.give(&file).unwrap();
        assert_eq!(Form::of(&new).unwrap(), plain);
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        std::fs::write(&path, "").unwrap();
        assert_eq!(obstacle(&path).unwrap(), None);
        std::fs::hard_link(&path, &other).unwrap();
        assert!(obstacle(&path).unwrap().unwrap().contains("hard link"));
        assert!(obstacle(dir.path()).unwrap().unwrap().contains("not a plain file"));
        assert_eq!(fixed(&path).unwrap(), None);
        assert!(fixed(Path::new("/proc")).unwrap().is_none_or(|fault| fault.contains("mounted by itself")));
    }
}
