//! The tree of cgroups (cgroup v2) as its file system shows it: which directories are those of a unit. The id of a cgroup is the
//! inode number of its directory. Nothing here can hang: that file system is in the kernel's memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstatfs, open, openat, statat};

use crate::policy::unit;

/// The mounts of this process.
const MOUNTS: &str = "/proc/self/mountinfo";
/// What `statfs` says of the file system (`CGROUP2_SUPER_MAGIC`).
const CGROUP2: u64 = 0x6367_7270;
/// So many slices are looked through. Root makes them.
const MOST_SLICES: usize = 8192;
/// So many cgroups of one unit are known. The unit may make them, where it may (`Delegate=`).
const MOST_OF_A_UNIT: usize = 1024;

/// The tree, from its root on.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// A cgroup of a unit, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub unit: Arc<str>,
    /// Where, from the root on.
    pub path: PathBuf,
}

/// What a look at the tree found.
#[derive(Debug, Default)]
pub struct Found {
    /// Every cgroup of the units that were looked for, by its id.
    pub cgroups: HashMap<u64, Place>,
    /// Where those units themselves are.
    pub homes: BTreeMap<Arc<str>, PathBuf>,
}

/// Why the tree cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NoTree {
    /// The mounts cannot be listed.
    #[error("{MOUNTS} cannot be read: {0}")]
    Mounts(#[from] std::io::Error),
    /// There is none among them.
    #[error("no cgroup v2 file system is mounted, or only a part of it")]
    NotMounted,
}

impl Tree {
    /// The tree of this machine, or of this process' cgroup namespace.
    ///
    /// # Errors
    /// [`NoTree`] where there is none.
    pub fn of_machine() -> Result<Self, NoTree> {
        let mounts = std::fs::read_to_string(MOUNTS)?;
        whole_cgroup2(&mounts).iter().find_map(|path| Self::mounted_at(path)).ok_or(NoTree::NotMounted)
    }

    /// Another file system may be mounted over it.
    fn mounted_at(path: &Path) -> Option<Self> {
        let tree = Self::at(path)?;
        (u64::try_from(fstatfs(&tree.root).ok()?.f_type) == Ok(CGROUP2)).then_some(tree)
    }

    pub(super) fn at(path: &Path) -> Option<Self> {
        open(path, directory(), Mode::empty()).ok().map(|root| Self { root })
    }

    /// The id of the cgroup at `path` now.
    pub fn id(&self, path: &Path) -> Option<u64> {
        statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_ino)
    }

    /// Looks for all cgroups of the units `wanted`.
    pub fn look(&self, wanted: &BTreeSet<Arc<str>>) -> Found {
        let mut found = Found::default();
        for home in self.homes(wanted) {
            self.add(&home, &mut found.cgroups);
            found.homes.insert(home.unit, home.path);
        }
        found
    }

    /// Where units of `wanted` are: below slices and nothing else.
    fn homes(&self, wanted: &BTreeSet<Arc<str>>) -> Vec<Place> {
        let mut homes = Vec::new();
        let mut slices = VecDeque::from([PathBuf::from(".")]);
        for _ in 0..MOST_SLICES {
            let Some(slice) = slices.pop_front() else { break };
            for name in self.below(&slice) {
                let Some(part) = name.to_str() else { continue };
                if unit::is_slice(part) {
                    slices.push_back(slice.join(&name));
                } else if let Some(unit) = wanted.get(unit::unescaped(part)) {
                    homes.push(Place { unit: Arc::clone(unit), path: slice.join(&name) });
                }
            }
        }
        homes
    }

    /// Adds the cgroup of `home` and those below it.
    fn add(&self, home: &Place, cgroups: &mut HashMap<u64, Place>) {
        let mut places = VecDeque::from([home.path.clone()]);
        for _ in 0..MOST_OF_A_UNIT {
            let Some(path) = places.pop_front() else { break };
            places.extend(self.below(&path).into_iter().map(|name| path.join(name)).take(MOST_OF_A_UNIT));
            if let Some(id) = self.id(&path) {
                cgroups.insert(id, Place { unit: Arc::clone(&home.unit), path });
            }
        }
    }

    /// The directories in that at `path`; none if it has gone.
    fn below(&self, path: &Path) -> Vec<PathBuf> {
        let Ok(opened) = openat(&self.root, path, directory(), Mode::empty()) else { return Vec::new() };
        let Ok(entries) = Dir::read_from(opened.as_fd()) else { return Vec::new() };
        let is_below = |name: &[u8]| name != b"." && name != b"..";
        let named = |entry: rustix::fs::DirEntry| {
            let name = entry.file_name().to_bytes();
            let is_directory = entry.file_type() == FileType::Directory && is_below(name);
            is_directory.then(|| PathBuf::from(OsStr::from_bytes(name)))
        };
        entries.flatten().filter_map(named).collect()
    }
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Where a whole cgroup v2 file system is mounted, by the lines of `mountinfo` (proc_pid_mountinfo(5)). Of one that is mounted in part,
/// such as a container's own, the names that lead to the part are not known.
fn whole_cgroup2(mounts: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, path) = (fields.next()?, fields.next()?);
        (system.split(' ').next() == Some("cgroup2") && root == "/").then(|| unescaped(path))
    };
    mounts.lines().filter_map(of_line).collect()
}

/// A path in which blanks and backslashes are three octal digits behind a backslash.
fn unescaped(path: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let octal = behind.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = octal.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[3..] } else { behind };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn wanted(units: &[&str]) -> BTreeSet<Arc<str>> {
        units.iter().map(|unit| Arc::from(*unit)).collect()
    }

    /// Directories are as good as cgroups where nothing is asked of them but their names and numbers.
    fn tree_of(paths: &[&str]) -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let tree = Tree::at(dir.path()).unwrap();
        (dir, tree)
    }

    #[test]
    fn all_cgroups_of_a_unit_are_found_and_no_others() {
        let own = [
            "system.slice/orders.service",
            "system.slice/orders.service/payload",
            "system.slice/orders.service/payload/a b",
            "a.slice/a-b.slice/a-b-c.slice/_memory.service",
        ];
        let others = [
            "system.slice/other.service/orders.service",
            "user.slice/user-1000.slice/user@1000.service/app.slice/orders.service",
            "docker/8a1f/system.slice/orders.service",
            "orders.service.d",
        ];
        let (dir, tree) = tree_of(&[&own[..], &others].concat());
        fs::write(dir.path().join("system.slice/cgroup.procs"), "").unwrap();
        std::os::unix::fs::symlink("other.service", dir.path().join("system.slice/_orders.service")).unwrap();

        let found = tree.look(&wanted(&["orders.service", "memory.service", "gone.service"]));
        let mut places: Vec<_> = found
            .cgroups
            .iter()
            .map(|(id, place)| {
                assert_eq!(tree.id(&place.path), Some(*id));
                (place.path.strip_prefix(".").unwrap_or(&place.path).to_str().unwrap(), &*place.unit)
            })
            .collect();
        places.sort_unstable();
        assert_eq!(
            places,
            [
                (own[3], "memory.service"),
                (own[0], "orders.service"),
                (own[1], "orders.service"),
                (own[2], "orders.service"),
            ]
        );
        assert_eq!(found.homes.len(), 2);
        for path in others {
            let id = tree.id(Path::new(path)).unwrap();
            assert!(!found.cgroups.contains_key(&id), "{path}");
        }
    }

    /// A unit that may make cgroups harms nobody but itself by making many.
    #[test]
    fn a_unit_with_too_many_cgroups_hides_no_other() {
        let (dir, tree) = tree_of(&["system.slice/bad.service", "system.slice/late.slice/orders.service"]);
        for number in 0..MOST_OF_A_UNIT + 10 {
            fs::create_dir(dir.path().join(format!("system.slice/bad.service/{number}"))).unwrap();
        }
        let found = tree.look(&wanted(&["bad.service", "orders.service"]));
        let count = |unit: &str| found.cgroups.values().filter(|place| &*place.unit == unit).count();
        assert_eq!((count("bad.service"), count("orders.service")), (MOST_OF_A_UNIT, 1));
        let home = tree.id(Path::new("system.slice/bad.service")).unwrap();
        assert!(found.cgroups.contains_key(&home), "its own comes first");
    }

    #[test]
    fn a_whole_tree_of_version_2_is_found_among_the_mounts() {
        let mounts = r"
23 28 0:21 / /proc rw,relatime shared:12 - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/uni\040fied\134 rw,relatime shared:3 master:7 - cgroup2 cgroup2 rw
42 31 0:38 /docker/8a1f /mnt rw - cgroup2 cgroup rw
43 31 0:38 /../.. /mnt2 rw - cgroup2 cgroup rw
cgroup2 / - cgroup2
44 31 0:38 / /cgroup2 rw";
        assert_eq!(whole_cgroup2(mounts), [Path::new("/sys/fs/cgroup/uni fied\\")]);
        assert!(Tree::mounted_at(Path::new("/proc")).is_none(), "another file system");
    }
}
