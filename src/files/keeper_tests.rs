use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;

use super::*;
use crate::files::standing::State;
use crate::files::{CredentialsFormat, TokenFormat};
use crate::lease::Issued;
use crate::refresh::schedule::{Freshness, Keep};
use crate::refresh::{Entry, Inputs};
use crate::source::{Ask, AwsCredentials, BearerToken, Failure, FailureKind, Source};

/// Issues credentials of an hour; never a token.
struct Odd(Clock);

#[async_trait]
impl Source<BearerToken> for Odd {
    async fn fetch(&self, _: &Ask) -> Result<Issued<BearerToken>, Failure> {
        Err(Failure::new(FailureKind::Unavailable, "down"))
    }
}

#[async_trait]
impl Source<AwsCredentials> for Odd {
    async fn fetch(&self, _: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let (access_key_id, secret_access_key) = ("ASIA".into(), "with a blank".into());
        let value =
            AwsCredentials { access_key_id, secret_access_key, session_token: None, account_id: None, role_arn: None };
        let now = self.0.now();
        Ok(Issued::new(value, now, now.plus(Duration::from_secs(3_600))))
    }
}

struct Scene {
    dir: tempfile::TempDir,
    clock: Clock,
}

impl Scene {
    fn open() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Clock::tokio(SystemTime::UNIX_EPOCH) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn entry<T: Send + Sync + 'static>(&self) -> Arc<Entry<T>>
    where
        Odd: Source<T>,
    {
        let freshness = Freshness { ahead: 0.75, keep: Keep::Always, outage_cover: None, life_left: Duration::ZERO };
        let source = Arc::new(Odd(self.clock.clone()));
        Arc::new(Entry::new("tokens.x", "here", source, Inputs::default(), freshness, self.clock.clone()))
    }

    fn keeper(&self, what: What) -> Keeper {
        Keeper {
            name: "files.out".into(),
            what,
            place: Arc::new(Place::new(self.path(), 0o600, None)),
            standing: Arc::default(),
            stop: Arc::default(),
            audit: Audit::default(),
            clock: self.clock.clone(),
        }
    }
}

/// Waits for a condition while time goes on by itself.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never happens");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_say_when_it_ends_is_kept_for_five_minutes_more() {
    let scene = Scene::open();
    std::fs::write(scene.path(), "opaque").unwrap();
    let (start, entry) = (scene.clock.now(), scene.entry::<BearerToken>());
    let keeper = scene.keeper(What::Token(entry, TokenFormat::Raw));
    let keeping = tokio::spawn(keeper.clone().keep());
    until(|| keeper.standing().there().is_some()).await;
    assert_eq!(keeper.standing().state(None, scene.clock.now()), State::Stale);
    until(|| !scene.path().exists()).await;
    let lived = scene.clock.now().since(start);
    assert!(lived >= ASSUMED_LIFE && lived < ASSUMED_LIFE + Duration::from_secs(2), "{lived:?}");
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_touches_is_removed_at_its_end_all_the_same_and_what_somebody_else_wrote_stays() {
    for (touch, stays) in [
        (&(|path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o644))) as &dyn Fn(&Path) -> _, false),
        (&|path: &Path| std::fs::write(path, "somebody's"), true),
    ] {
        let scene = Scene::open();
        std::fs::write(scene.path(), "opaque").unwrap();
        let keeper = scene.keeper(What::Token(scene.entry(), TokenFormat::Raw));
        let keeping = tokio::spawn(keeper.clone().keep());
        until(|| keeper.standing().there().is_some()).await;
        touch(&scene.path()).unwrap();
        until(|| keeper.standing().there().is_none()).await;
        assert_eq!(scene.path().exists(), stays);
        keeping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_in_its_format_says_so_and_leaves_no_file() {
    let scene = Scene::open();
    let entry = scene.entry::<AwsCredentials>();
    assert!(crate::source::Stage::held(&*entry, &Ask::default()).await.is_ok());
    let keeper = scene.keeper(What::Credentials(entry, CredentialsFormat::Env));
    let keeping = tokio::spawn(keeper.clone().keep());
    until(|| keeper.standing().trouble().is_some_and(|trouble| trouble.attempts > 2)).await;
    let message = keeper.standing().trouble().unwrap().message.clone();
    assert!(message.contains("format = \"json\"") && !message.contains("blank"), "{message}");
    assert_eq!(std::fs::read_dir(scene.dir.path()).unwrap().count(), 0);
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_file_system_that_hangs_is_told_of_and_costs_one_thread() {
    let scene = Scene::open();
    let keeper = scene.keeper(What::Token(scene.entry(), TokenFormat::Raw));
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let acting = {
        let keeper = keeper.clone();
        let act = move |_: &Place| {
            starts.send(()).unwrap();
            let _ = held.recv();
            Ok("done")
        };
        tokio::spawn(async move { keeper.beside(Doing::Write, act).await.unwrap() })
    };
    started.recv().await;
    tokio::time::advance(LONGEST_ACT).await;
    // Time stands still while the thread is blocked.
    while keeper.standing().trouble().is_none() {
        tokio::task::yield_now().await;
    }
    let message = keeper.standing().trouble().unwrap().message.clone();
    assert!(message.contains("does not answer") && !acting.is_finished(), "{message}");
    drop(hold);
    assert_eq!(acting.await.unwrap(), "done");
}
