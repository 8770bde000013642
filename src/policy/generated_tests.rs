use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::policy::directory::{Directory, Entry, Token};
use crate::policy::{Presented, Process};

const HOUR: Duration = Duration::from_secs(3_600);

/// One caller whose token is made every hour.
struct Scene {
    dir: tempfile::TempDir,
    directory: Directory,
    clock: Clock,
}

fn entry(path: PathBuf) -> Entry {
    let token = Some(Token::Generated(Config { path, mode: 0o440, group: None, every: HOUR }));
    Entry { name: "orders".into(), allow: vec![], token, uid: None, gid: None, unit: None, requests_per_second: None }
}

impl Scene {
    fn open() -> Self {
        Self::in_directory("")
    }

    fn in_directory(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name).join("token");
        Self { dir, directory: Directory::new(vec![entry(path)]), clock: Clock::tokio(std::time::UNIX_EPOCH) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    async fn look(&self) {
        self.directory.look(self.clock.now()).await;
    }

    async fn look_after(&self, span: Duration) {
        tokio::time::advance(span).await;
        self.look().await;
    }

    /// What is in the file, after a look.
    async fn looked(&self) -> String {
        self.look().await;
        read(&self.path())
    }

    fn knows(&self, token: &str) -> bool {
        let token = Some(TokenDigest::of(token));
        self.directory.current().identify(&Presented { token, process: Process::default() }).is_some()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_written_is_not_another_one_at_each_look() {
    let scene = Scene::in_directory("not-there");
    let accepted = || {
        let callers = scene.directory.current();
        callers.0[0].tokens.clone().unwrap_or_default()
    };
    scene.look().await;
    let first = accepted();
    assert_eq!(first.len(), 1);
    scene.look_after(HOUR / 2).await;
    assert_eq!(accepted(), first);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_256_bits_in_43_characters_without_a_newline() {
    let scene = Scene::open();
    let token = scene.looked().await;
    assert_eq!(URL_SAFE_NO_PAD.decode(&token).unwrap().len(), 32, "{token}");
    assert_eq!(scene.path().metadata().unwrap().permissions().mode() & 0o7777, 0o440);
    assert!(scene.knows(&token) && !scene.knows(""));
    assert_eq!(scene.directory.unwritten(), 0);
    assert_ne!(token, Scene::open().looked().await);
}

#[tokio::test(start_paused = true)]
async fn two_are_accepted_while_one_takes_over() {
    let scene = Scene::open();
    let first = scene.looked().await;
    scene.look_after(HOUR - Duration::from_secs(1)).await;
    assert_eq!(read(&scene.path()), first);

    scene.look_after(Duration::from_secs(1)).await;
    let second = read(&scene.path());
    assert!(second != first && scene.knows(&second) && scene.knows(&first));
    scene.look_after(HOUR - Duration::from_secs(1)).await;
    assert!(scene.knows(&second) && scene.knows(&first), "the one before, until the next");

    scene.look_after(Duration::from_secs(1)).await;
    let third = read(&scene.path());
    assert!(scene.knows(&third) && scene.knows(&second) && !scene.knows(&first));
    assert_eq!(scene.directory.current().0[0].tokens.as_ref().map(Vec::len), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_somebody_removes_or_changes_gets_another_token_and_theirs_is_nobodys() {
    let theirs = "theirs-Vb7kQ2xW9pLm4Zt6Hs1DfGc8-0123456789a";
    let tampered: [&dyn Fn(&Path); 4] = [
        &|path| std::fs::remove_file(path).unwrap(),
        &|path| {
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, theirs).unwrap();
        },
        &|path| {
            std::fs::write(path.with_extension("x"), theirs).unwrap();
            std::fs::remove_file(path).unwrap();
            symlink(path.with_extension("x"), path).unwrap();
        },
        &|path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap(),
    ];
    for tamper in tampered {
        let scene = Scene::open();
        let first = scene.looked().await;
        tamper(&scene.path());
        let second = scene.looked().await;
        assert!(second != first && second != theirs);
        assert!(scene.knows(&second) && scene.knows(&first), "who holds the one before goes on");
        assert!(!scene.knows(theirs));
        let there = scene.path().symlink_metadata().unwrap();
        assert!(there.is_file() && there.permissions().mode() & 0o7777 == 0o440);
        assert_eq!(scene.looked().await, second, "and that was it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_or_somebody_else_has_left_is_not_accepted() {
    let scene = Scene::open();
    let left = "earlier-Vb7kQ2xW9pLm4Zt6Hs1DfGc8-0123456789";
    std::fs::write(scene.path(), left).unwrap();
    assert_ne!(scene.looked().await, left);
    assert!(!scene.knows(left));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_is_looked_for_again() {
    let scene = Scene::in_directory("later");
    scene.look().await;
    assert_eq!(scene.directory.unwritten(), 1);
    assert!(!scene.knows(""));
    std::fs::create_dir(scene.dir.path().join("later")).unwrap();
    scene.look().await;
    assert_eq!(scene.directory.unwritten(), 0);
    assert!(scene.knows(&read(&scene.dir.path().join("later/token"))));
}

#[tokio::test(start_paused = true)]
async fn a_turn_over_that_cannot_be_written_leaves_the_old_one_good() {
    let scene = Scene::open();
    let first = scene.looked().await;
    std::fs::remove_file(scene.path()).unwrap();
    std::fs::create_dir(scene.path()).unwrap();
    for _ in 0..3 {
        scene.look_after(HOUR).await;
        assert!(scene.knows(&first));
        assert_eq!((scene.directory.unwritten(), scene.directory.current().0[0].provers.len()), (1, 2));
    }
    std::fs::remove_dir(scene.path()).unwrap();
    let second = scene.looked().await;
    assert!(scene.knows(&second) && scene.knows(&first));
}

/// Seen by a reader that looks as fast as it can, and asks with what it finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_known_before_it_can_be_read() {
    let scene = Arc::new(Scene::open());
    let mut last = scene.looked().await;
    for _ in 0..20 {
        std::fs::remove_file(scene.path()).unwrap();
        let looking = tokio::spawn({
            let scene = Arc::clone(&scene);
            async move { scene.look().await }
        });
        let token = loop {
            match std::fs::read_to_string(scene.path()) {
                Ok(token) => break token,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert!(token != last && scene.knows(&token));
        last = token;
        looking.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_ending_daemon_writes_nothing_and_takes_its_own_away() {
    let scene = Scene::open();
    let token = scene.looked().await;
    scene.directory.rest();
    scene.look_after(HOUR * 2).await;
    assert_eq!(read(&scene.path()), token);
    assert!(scene.knows(&token));
    scene.directory.end(None).await;
    assert!(!scene.path().exists());
    scene.look().await;
    assert!(!scene.path().exists());

    let other = Scene::open();
    other.look().await;
    std::fs::remove_file(other.path()).unwrap();
    std::fs::write(other.path(), "the next daemon's").unwrap();
    other.directory.end(None).await;
    assert_eq!(read(&other.path()), "the next daemon's");
}

impl Scene {
    /// Another process with the same configuration, told what this one left after it has ended.
    async fn succeeded(self) -> Self {
        self.directory.rest();
        self.directory.end(None).await;
        let left = self.directory.made(self.clock.now());
        let next = Self { directory: Directory::new(vec![entry(self.path())]), ..self };
        next.look().await;
        let count = left.len();
        assert_eq!(next.directory.take_up(left, next.clock.now()).await, count);
        next
    }
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_an_earlier_process_are_accepted_to_the_ends_they_had_there() {
    let scene = Scene::open();
    let first = scene.looked().await;
    scene.look_after(HOUR).await;
    let second = scene.looked().await;
    tokio::time::advance(HOUR / 2).await;

    let scene = scene.succeeded().await;
    let third = read(&scene.path());
    assert!(third != second && scene.knows(&third));
    scene.look_after(HOUR / 2 - Duration::from_secs(1)).await;
    assert!(scene.knows(&second) && scene.knows(&first), "as if nothing had been");
    scene.look_after(Duration::from_secs(1)).await;
    assert!(scene.knows(&second) && !scene.knows(&first), "the one before ends when the next would have been made");

    let scene = scene.succeeded().await;
    scene.look_after(HOUR - Duration::from_secs(1)).await;
    assert!(scene.knows(&second) && scene.knows(&third), "over another process, too");
    scene.look_after(Duration::from_secs(1)).await;
    assert!(!scene.knows(&second) && scene.knows(&third));
    assert_eq!(scene.directory.current().0[0].provers.len(), 2, "a digest proves nothing");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_have_been_made_for_a_caller_is_not_taken_up() {
    let scene = Scene::open();
    scene.look().await;
    let now = scene.clock.now();
    let made = |caller: &str, number: u32, until| MadeToken {
        caller: caller.to_owned(),
        digest: TokenDigest::of(&format!("token {number}")),
        until,
    };
    let end = now.plus(HOUR * 2);
    let odd = [made("others", 0, end), made("orders", 1, now), made("orders", 2, end.plus(Duration::from_nanos(1)))];
    assert_eq!(scene.directory.take_up(odd.to_vec(), now).await, 0);
    let many = (3..50).map(|number| made("orders", number, end)).collect();
    assert_eq!(scene.directory.take_up(many, now).await, MOST_EARLIER);
    let known: Vec<_> = (0..50).filter(|number| scene.knows(&format!("token {number}"))).collect();
    assert_eq!(known, (3..35).collect::<Vec<_>>(), "the newest of them");
}
