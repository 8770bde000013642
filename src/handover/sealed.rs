//! Memory that nobody can change any more, not even who made it (memfd_create(2), F_ADD_SEALS).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use zeroize::Zeroizing;

use super::form::{LARGEST, Unfit};

/// What it is called where somebody looks at the descriptors of a process.
const NAME: &str = "credbroker-leases";

/// All that can be forbidden.
fn all() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// Memory with `content`.
///
/// # Errors
/// What the system says.
pub fn sealed(content: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL);
    // Linux before 6.3 does not know that flag.
    let mut file = File::from(made.or_else(|_| memfd_create(NAME, flags))?);
    file.write_all(content)?;
    fcntl_add_seals(&file, all())?;
    Ok(file)
}

/// What is in `file`.
///
/// # Errors
/// [`Unfit`] if it is no sealed memory, is too large or cannot be read.
pub fn content(file: &File) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    let unreadable = |cause: io::Error| Unfit::Unreadable(cause.kind());
    if !fcntl_get_seals(file).is_ok_and(|seals| seals.contains(all())) {
        return Err(Unfit::Unsealed);
    }
    let length = usize::try_from(file.metadata().map_err(unreadable)?.len()).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(Unfit::TooLarge);
    }
    // Sealed, so it has that length; room from the start, because a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact_at(&mut bytes, 0).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read_and_cannot_be_changed() {
        let mut file = sealed(b"leases").unwrap();
        assert_eq!(*content(&file).unwrap(), b"leases");
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err() && file.set_len(100).is_err());
        assert!(fcntl_add_seals(&file, SealFlags::empty()).is_err(), "nor can more be forbidden");
    }

    #[test]
    fn what_is_not_sealed_whole_or_too_large_is_not_read() {
        let open = || File::from(memfd_create(NAME, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
        assert_eq!(content(&open()), Err(Unfit::Unsealed));
        let half = open();
        fcntl_add_seals(&half, SealFlags::WRITE | SealFlags::SEAL).unwrap();
        assert_eq!(content(&half), Err(Unfit::Unsealed));
        assert_eq!(content(&tempfile::tempfile().unwrap()), Err(Unfit::Unsealed));
        assert_eq!(content(&sealed(&vec![0; LARGEST + 1]).unwrap()), Err(Unfit::TooLarge));
        assert_eq!(content(&sealed(&vec![7; LARGEST]).unwrap()).unwrap().len(), LARGEST);
    }
}
