use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use nix::fcntl::{Flock, FlockArg};

use super::*;

fn site(content: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, content).unwrap();
    (dir, path)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

#[test]
fn the_new_file_takes_the_form_of_the_old_one() {
    let (_dir, path) = site("old\n");
    std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    let files = Files::hold(&path).unwrap();
    files.put_beside(&SecretString::from("new")).unwrap();
    assert_eq!((std::fs::read_to_string(&files.next).unwrap().as_str(), mode(&files.next)), ("new\n", 0o440));
    files.install().unwrap();
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new\n", 0o440));
    assert!(!files.next.exists());
}

#[test]
fn what_a_link_leads_to_is_replaced() {
    let (dir, path) = site("old");
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    let files = Files::hold(&link).unwrap();
    files.put_beside(&SecretString::from("new")).unwrap();
    files.install().unwrap();
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new", "no newline is added either");
}

#[test]
fn two_rotations_do_not_meet() {
    let (dir, path) = site("old");
    let first = Files::hold(&path).unwrap();
    assert!(matches!(Files::hold(&path), Err(Trouble::Busy(busy)) if busy == path.canonicalize().unwrap()));
    drop(first);
    // Who may only look into the directory can hold nobody up.
    let looking = std::fs::File::open(dir.path()).unwrap();
    let _held = Flock::lock(looking, FlockArg::LockExclusiveNonblock).unwrap();
    assert!(Files::hold(&path).is_ok());
    assert_eq!(dir.path().read_dir().unwrap().count(), 1, "nothing is left");
}

#[test]
fn what_somebody_else_put_there_is_neither_followed_nor_used() {
    let planted = |path: &Path| matches!(Files::hold(path), Err(Trouble::Planted(_)));
    for ending in ["next", "rotation", "rotation.new", "rotation.lock"] {
        let (dir, path) = site("old");
        let (there, target) = (dir.path().join(format!("secret.{ending}")), dir.path().join("target"));
        symlink(&target, &there).unwrap();
        assert!(planted(&path), "a link: {ending}");
        std::fs::write(&target, "precious").unwrap();
        assert!(planted(&path), "a link to a file: {ending}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        std::fs::remove_file(&there).unwrap();
        std::fs::create_dir(&there).unwrap();
        assert!(planted(&path), "a directory: {ending}");
        std::fs::remove_dir(&there).unwrap();
        std::fs::write(&there, "").unwrap();
        // Only root may give files away.
        if chown(&there, Some(4711), None).is_ok() {
            assert!(planted(&path), "of another owner: {ending}");
            assert_eq!(there.metadata().unwrap().uid(), 4711);
        }
    }
}

#[test]
fn what_cannot_be_replaced_is_refused_and_nothing_is_changed() {
    let (dir, path) = site("old");
    std::fs::hard_link(&path, dir.path().join("other")).unwrap();
    let refused = Files::hold(&path).err().unwrap();
    assert!(matches!(refused, Trouble::Fixed { .. }) && refused.to_string().contains("hard link"), "{refused}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 2);
}

#[test]
fn a_form_that_was_changed_meanwhile_is_the_one_that_counts() {
    let (_dir, path) = site("old");
    let files = Files::hold(&path).unwrap();
    files.put_beside(&SecretString::from("new")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    files.install().unwrap();
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o440));
}

#[test]
fn a_note_is_read_back_and_holds_no_secret() {
    let (_dir, path) = site("old");
    let files = Files::hold(&path).unwrap();
    assert_eq!(files.noted().unwrap(), None);
    let secret = SecretString::from("the new secret of forty-eight characters");
    let record = Record { client_id: "app".into(), old: "a".into(), new: None, fingerprint: fingerprint(&secret) };
    files.note(&record).unwrap();
    assert_eq!(files.noted().unwrap(), Some(record));
    assert!(!std::fs::read_to_string(&files.record).unwrap().contains("forty-eight"));
    std::fs::write(&files.record, "{").unwrap();
    assert!(matches!(files.noted(), Err(Trouble::Note(_))));
    std::fs::write(&files.draft, "{").unwrap();
    files.clear().unwrap();
    assert!(!files.record.exists() && !files.draft.exists() && path.exists());
}
