use std::os::unix::fs::symlink;

use nix::libc;
use nix::unistd::{geteuid, getgid, getgroups};

use super::*;

struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn open() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("out.jwt")
    }

    fn place(&self, mode: u32, group: Option<Group>) -> Place {
        Place::new(self.path(), mode, group)
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path()).unwrap().map(name).collect();
        names.sort();
        names
    }

    fn mode(&self) -> u32 {
        self.path().symlink_metadata().unwrap().mode() & 0o7777
    }
}

#[test]
fn a_file_has_its_mode_whatever_the_umask_and_nothing_is_left_beside_it() {
    let scene = Scene::open();
    for mode in [0o400, 0o640, 0o440] {
        let mark = scene.place(mode, None).write(b"token").unwrap();
        assert_eq!((scene.mode(), std::fs::read(scene.path()).unwrap()), (mode, b"token".to_vec()));
        assert_eq!(scene.place(mode, None).mark().unwrap(), Some(mark));
    }
    assert_eq!(scene.names(), ["out.jwt"]);
}

#[test]
fn whoever_touches_a_file_changes_its_mark() {
    let scene = Scene::open();
    let place = scene.place(0o600, None);
    let touch = |touch: &dyn Fn()| {
        let mark = place.write(b"token").unwrap();
        touch();
        assert_ne!(place.mark().unwrap(), Some(mark));
    };
    touch(&|| std::fs::write(scene.path(), "other").unwrap());
    touch(&|| std::fs::set_permissions(scene.path(), Permissions::from_mode(0o644)).unwrap());
    touch(&|| std::fs::remove_file(scene.path()).unwrap());
    touch(&|| {
        std::fs::write(scene.dir.path().join("x"), "token").unwrap();
        std::fs::rename(scene.dir.path().join("x"), scene.path()).unwrap();
    });
}

#[test]
fn a_group_is_given_by_name_or_number_and_an_unknown_one_is_named() {
    let scene = Scene::open();
    let own = getgroups().unwrap().into_iter().find(|group| *group != getgid());
    // Root may give any; others what they are in.
    let id = if geteuid().is_root() { 4711 } else { own.unwrap_or(getgid()).as_raw() };
    scene.place(0o440, Some(Group::Id(id))).write(b"x").unwrap();
    assert_eq!(scene.path().metadata().unwrap().gid(), id);

    let fault = scene.place(0o440, Some(Group::Name("no-such-group".into()))).write(b"y").unwrap_err().to_string();
    assert!(fault.contains("no group no-such-group"), "{fault}");
    if !geteuid().is_root() {
        let fault = scene.place(0o440, Some(Group::Id(4711))).write(b"y").unwrap_err().to_string();
        assert!(fault.contains("SupplementaryGroups=4711"), "{fault}");
    }
    assert_eq!((std::fs::read(scene.path()).unwrap(), scene.names()), (b"x".to_vec(), vec!["out.jwt".to_owned()]));
}

#[test]
fn a_link_in_the_place_is_replaced_and_never_followed() {
    let scene = Scene::open();
    let other = scene.dir.path().join("precious");
    std::fs::write(&other, "precious").unwrap();
    symlink(&other, scene.path()).unwrap();
    let place = scene.place(0o400, None);
    assert!(place.find().unwrap().is_none(), "a link is nothing that an earlier run has left");
    place.write(b"token").unwrap();
    assert!(scene.path().symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read_to_string(other).unwrap(), "precious");
}

#[test]
fn a_draft_of_a_killed_run_makes_way_and_whatever_else_is_there_stays() {
    let scene = Scene::open();
    let place = scene.place(0o400, None);
    let draft = scene.dir.path().join(".out.jwt.0123456789abcdef.credbroker-draft");
    for neighbour in [
        ".out.0123456789abcdef.credbroker-draft",
        ".out.jwt.old.0123456789abcdef.credbroker-draft",
        ".out.jwt.0123456789abcdef.credbroker-draft2",
        ".out.jwt.0123456789abcde.credbroker-draft",
        ".out.jwt.0123456789abcdeg.credbroker-draft",
        ".out.jwt.swp",
    ] {
        std::fs::write(scene.dir.path().join(neighbour), "theirs").unwrap();
    }
    let neighbours = scene.names();
    std::fs::write(&draft, "half a tok").unwrap();
    assert!(place.find().unwrap().is_none());
    assert_eq!(scene.names(), neighbours, "taken away at the start");
    symlink(scene.path(), &draft).unwrap();
    place.write(b"token").unwrap();
    place.find().unwrap();
    assert!(draft.symlink_metadata().is_ok_and(|there| there.is_symlink()), "nobody's draft");
    std::fs::remove_file(&draft).unwrap();
    assert_eq!(scene.names(), [&neighbours[..], &["out.jwt".to_owned()]].concat());
}

#[test]
fn what_is_in_the_way_says_what_to_do() {
    let scene = Scene::open();
    let place = scene.place(0o400, None);
    std::fs::create_dir(scene.path()).unwrap();
    let fault = place.write(b"x").unwrap_err().to_string();
    assert!(fault.contains("out.jwt is not a plain file") && fault.contains("move it away"), "{fault}");
    assert_eq!(scene.names(), ["out.jwt"], "the draft is gone");

    std::fs::remove_dir(scene.path()).unwrap();
    nix::unistd::mkfifo(&scene.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fault = place.write(b"x").unwrap_err().to_string();
    assert!(fault.contains("out.jwt is not a plain file"), "{fault}");
    assert!(!scene.path().symlink_metadata().unwrap().is_file(), "somebody may read from it");

    let gone = Place::new(scene.dir.path().join("none/out"), 0o400, None);
    let fault = gone.write(b"x").unwrap_err().to_string();
    assert!(fault.contains("none is not there: create it"), "{fault}");
    assert_eq!(gone.mark().unwrap(), None);
    std::fs::write(scene.dir.path().join("plain"), "x").unwrap();
    let inside = Place::new(scene.dir.path().join("plain/out"), 0o400, None);
    let fault = inside.write(b"x").unwrap_err().to_string();
    assert!(fault.contains("plain is not a directory"), "{fault}");
    std::fs::remove_file(scene.dir.path().join("plain")).unwrap();

    std::fs::set_permissions(scene.dir.path(), Permissions::from_mode(0o777)).unwrap();
    let fault = place.write(b"x").unwrap_err().to_string();
    assert!(fault.contains("everybody may write in") && fault.contains("chmod o-w"), "{fault}");
    std::fs::remove_file(scene.path()).unwrap();
    std::fs::set_permissions(scene.dir.path(), Permissions::from_mode(0o1777)).unwrap();
    place.write(b"x").unwrap();

    for (code, part) in [
        (libc::EACCES, "ReadWritePaths="),
        (libc::EROFS, "ReadWritePaths="),
        (libc::ENOSPC, "No space left on device (os error 28)): free some"),
        (libc::EDQUOT, "free some, or name another directory"),
        (libc::EIO, "out.jwt: "),
        (libc::EBUSY, "mount the directory it is in instead"),
    ] {
        let fault = place.fault(io::Error::from_raw_os_error(code)).to_string();
        assert!(fault.contains(part), "{fault}");
    }
}

#[test]
fn only_what_was_written_is_removed() {
    let scene = Scene::open();
    let place = scene.place(0o600, None);
    let mark = place.write(b"token").unwrap();
    assert!(place.remove(mark).unwrap() && scene.names().is_empty());
    assert!(!place.remove(mark).unwrap(), "there is nothing any more");
    std::fs::write(scene.path(), "somebody's").unwrap();
    assert!(!place.remove(mark).unwrap());
    assert_eq!(std::fs::read_to_string(scene.path()).unwrap(), "somebody's");

    let mark = place.write(b"token").unwrap();
    std::fs::set_permissions(scene.path(), Permissions::from_mode(0o644)).unwrap();
    assert!(place.remove(mark).unwrap() && scene.names().is_empty(), "it is what was written, if for others to read");
}

#[test]
fn what_an_earlier_run_has_left_is_found_whole() {
    let scene = Scene::open();
    let place = scene.place(0o600, None);
    let mark = place.write(b"token").unwrap();
    let found = place.find().unwrap().unwrap();
    assert_eq!((found.content.as_deref().map(Vec::as_slice), found.mark), (Some(&b"token"[..]), mark));
}

#[test]
fn readers_find_one_whole_content_or_the_other_however_fast_it_is_replaced() {
    let scene = Scene::open();
    let place = scene.place(0o440, None);
    let contents = [vec![b'a'; 3_000], vec![b'b'; 40_000]];
    place.write(&contents[0]).unwrap();
    let read_on = || {
        for _ in 0..2_000 {
            let file = File::open(scene.path()).unwrap();
            let mode = file.metadata().unwrap().mode() & 0o777;
            let content = io::read_to_string(file).unwrap().into_bytes();
            assert!(contents.contains(&content) && mode == 0o440, "{} bytes, {mode:o}", content.len());
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read_on), scope.spawn(read_on)];
        let mut at = 0;
        while !readers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            at = 1 - at;
            place.write(&contents[at]).unwrap();
        }
    });
}

/// Two daemons of one configuration, as in a restart without a gap or by mistake.
#[test]
fn two_who_write_the_same_file_never_leave_half_of_one() {
    let scene = Scene::open();
    let contents = [b'a', b'b'].map(|letter| vec![letter; 4_000_000]);
    let is_whole = |there: &[u8]| contents.iter().any(|content| there == content);
    scene.place(0o600, None).write(&contents[0]).unwrap();
    std::thread::scope(|scope| {
        let writers = contents.each_ref().map(|content| {
            let place = scene.place(0o600, None);
            scope.spawn(move || (0..100).filter(|_| place.write(content).is_ok()).count())
        });
        while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let there = std::fs::read(scene.path()).unwrap();
            assert!(is_whole(&there), "{} bytes", there.len());
        }
        for writer in writers {
            assert!(writer.join().unwrap() > 0, "one of them never came to it");
        }
    });
    assert_eq!(scene.names(), ["out.jwt"]);
}
