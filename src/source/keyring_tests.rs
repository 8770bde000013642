#![expect(clippy::disallowed_methods, reason = "tests look at the secrets they planted")]

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::Clock;
use crate::lease::Issued;
use crate::secret::Secret;

struct Site {
    dir: tempfile::TempDir,
    clock: Clock,
    tried: Mutex<Vec<String>>,
    /// What else is said of what is refused.
    user_refused: bool,
}

impl Site {
    fn new(secrets: &[(&str, &str)]) -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::tokio(SystemTime::UNIX_EPOCH),
            tried: Mutex::default(),
            user_refused: false,
        };
        secrets.iter().for_each(|(name, content)| site.put(name, content));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn keys(&self, names: &[&str]) -> Keys {
        let places = names.iter().map(|name| Place::Local(Secret::File(self.path(name)))).collect();
        Keys::new(places, Keyring::default(), self.clock.clone())
    }

    /// A server that accepts `live`, and runs `meanwhile` before it answers.
    async fn ask(&self, keys: &Keys, live: &str, meanwhile: impl Fn() + Sync) -> Result<Issued<String>, Failure> {
        keys.attempt(async |secret: SecretString| {
            let text = secret.expose_secret().to_owned();
            self.tried.lock().unwrap().push(text.clone());
            meanwhile();
            let now = self.clock.now();
            if text == live {
                Ok(Issued::new(text, now, now))
            } else {
                let user_refused = self.user_refused;
                Err(Failure { secret_refused: true, user_refused, ..Failure::new(FailureKind::Denied, "wrong") })
            }
        })
        .await
    }

    fn tried(&self) -> Vec<String> {
        std::mem::take(&mut *self.tried.lock().unwrap())
    }
}

#[tokio::test]
async fn the_second_is_tried_when_the_first_is_refused_and_said_to_be_the_live_one() {
    let site = Site::new(&[("a", "one"), ("b", "two")]);
    let keys = site.keys(&["a", "b"]);
    let issued = site.ask(&keys, "two", || {}).await.unwrap();
    assert_eq!((issued.value.as_str(), site.tried()), ("two", vec!["one".to_owned(), "two".to_owned()]));
    assert!(issued.obtained_with.unwrap().starts_with("second of two, file "));
    let issued = site.ask(&keys, "two", || {}).await.unwrap();
    assert_eq!((issued.value.as_str(), site.tried()), ("two", vec!["two".to_owned()]), "the refused one rests");
}

#[tokio::test]
async fn a_first_that_was_refused_is_tried_again_when_it_is_replaced_or_the_second_fails() {
    let site = Site::new(&[("a", "one"), ("b", "two")]);
    let keys = site.keys(&["a", "b"]);
    site.ask(&keys, "two", || {}).await.unwrap();
    let issued = site.ask(&keys, "one", || {}).await.unwrap();
    assert!(issued.obtained_with.unwrap().starts_with("first of two"), "activated later");
    site.ask(&keys, "two", || {}).await.unwrap();
    site.put("a", "three");
    site.tried();
    site.ask(&keys, "three", || {}).await.unwrap();
    assert_eq!(site.tried(), ["three"]);
}

#[tokio::test]
async fn a_secret_replaced_while_it_was_being_refused_is_used_at_once() {
    let site = Site::new(&[("a", "old")]);
    let keys = site.keys(&["a"]);
    let issued = site.ask(&keys, "new", || site.put("a", "new")).await.unwrap();
    assert_eq!((issued.value.as_str(), issued.obtained_with, site.tried().len()), ("new", None, 2));
}

#[tokio::test]
async fn a_refused_secret_is_offered_once_and_one_that_is_missing_gives_way_to_the_other() {
    let site = Site::new(&[("a", "one")]);
    let failure = site.ask(&site.keys(&["a"]), "two", || {}).await.unwrap_err();
    assert_eq!((failure.kind, site.tried().len()), (FailureKind::Denied, 1));
    let keys = site.keys(&["missing", "a"]);
    assert_eq!(site.ask(&keys, "one", || {}).await.unwrap().value, "one");
    let failure = site.ask(&site.keys(&["missing"]), "one", || {}).await.unwrap_err();
    assert!(failure.kind == FailureKind::Misconfigured && failure.message.contains("missing"), "{failure}");
}

/// How often `keys` offers something in so many seconds when it is asked every five.
async fn offers(site: &Site, keys: &Keys, seconds: u64) -> usize {
    for _ in 0..seconds / 5 {
        site.ask(keys, "right", || {}).await.unwrap_err();
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    site.tried().len()
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_offered_at_longer_and_longer_intervals() {
    let site = Site::new(&[("a", "wrong")]);
    let keys = site.keys(&["a"]);
    assert_eq!(offers(&site, &keys, 60).await, 2, "at 0 and 30 s");
    assert_eq!(offers(&site, &keys, 3_600).await, 13, "at 90, 210 and 450 s, then every five minutes");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_said_in_the_same_words_and_with_the_time_left() {
    let site = Site::new(&[("a", "wrong")]);
    let keys = site.keys(&["a"]);
    let first = site.ask(&keys, "right", || {}).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(10)).await;
    let second = site.ask(&keys, "right", || {}).await.unwrap_err();
    assert_eq!((site.tried().len(), second.kind, second.secret_refused), (1, FailureKind::Denied, true));
    for (failure, left) in [(first, 30), (second, 20)] {
        let words = format!("wrong; not tried again until it is replaced, or in {left} s");
        assert_eq!((failure.message, failure.retry_after), (words, None), "nobody waits who has replaced it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_the_place_of_a_refused_secret_is_offered_at_once() {
    let site = Site::new(&[("a", "one"), ("b", "two")]);
    let keys = site.keys(&["a", "b"]);
    site.ask(&keys, "right", || {}).await.unwrap_err();
    site.ask(&keys, "right", || {}).await.unwrap_err();
    assert_eq!(site.tried(), ["one", "two"]);
    site.put("b", "right");
    assert_eq!(site.ask(&keys, "right", || {}).await.unwrap().value, "right");
    site.put("b", "three");
    site.ask(&keys, "right", || {}).await.unwrap_err();
    site.tried();
    tokio::time::advance(Duration::from_secs(30)).await;
    site.ask(&keys, "right", || {}).await.unwrap_err();
    assert_eq!(site.tried(), ["three", "one"], "a success lets the pauses begin anew");
}

#[tokio::test]
async fn a_refusal_is_mended_by_what_takes_its_place_and_by_nothing_else() {
    let site = Site::new(&[("a", "one"), ("b", "two")]);
    let keys = site.keys(&["a", "b"]);
    assert!(!keys.is_mended().await, "nothing was refused");
    site.ask(&keys, "right", || {}).await.unwrap_err();
    site.put("a", "one\n");
    assert!(!keys.is_mended().await, "written anew, and the same");
    site.put("b", "right");
    assert!(keys.is_mended().await);
    site.ask(&keys, "right", || {}).await.unwrap();
    assert!(!keys.is_mended().await);
}

#[tokio::test]
async fn a_refusal_is_mended_by_a_second_secret_that_was_not_there() {
    let site = Site::new(&[("a", "one")]);
    let keys = site.keys(&["a", "b"]);
    site.ask(&keys, "right", || {}).await.unwrap_err();
    assert!(!keys.is_mended().await, "it still cannot be read");
    site.put("b", "right");
    assert!(keys.is_mended().await);
}

#[tokio::test(start_paused = true)]
async fn when_the_pause_is_over_one_asks_and_the_others_wait_for_what_comes_of_it() {
    let site = Site::new(&[("a", "wrong")]);
    let keys = site.keys(&["a"]);
    site.ask(&keys, "right", || {}).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(30)).await;
    let ask = || site.ask(&keys, "right", || {});
    let outcomes = tokio::join!(ask(), ask(), ask());
    assert!(outcomes.0.is_err() && outcomes.1.is_err() && outcomes.2.is_err());
    assert_eq!(site.tried(), ["wrong", "wrong"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_insists_offers_it_each_time() {
    let site = Site::new(&[("a", "wrong")]);
    let places = vec![Place::Local(Secret::File(site.path("a")))];
    let keys = Keys::new(places, Keyring::default().insisting(), site.clock.clone());
    for _ in 0..3 {
        site.ask(&keys, "right", || {}).await.unwrap_err();
    }
    assert_eq!(site.tried().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_over_when_what_is_shown_beside_it_is_replaced() {
    let site = Site { user_refused: true, ..Site::new(&[("password", "one"), ("secret", "s1")]) };
    let keys = site.keys(&["password"]).of_user(vec![Place::Local(Secret::File(site.path("secret")))]);
    site.ask(&keys, "right", || {}).await.unwrap_err();
    site.ask(&keys, "right", || {}).await.unwrap_err();
    assert_eq!(site.tried().len(), 1);
    site.put("secret", "s2");
    assert_eq!(site.ask(&keys, "one", || {}).await.unwrap().value, "one");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_works_gives_way_to_no_other_where_the_password_may_be_wrong() {
    let mut site = Site::new(&[("a", "one"), ("b", "two")]);
    let keys = site.keys(&["a", "b"]);
    site.ask(&keys, "one", || {}).await.unwrap();
    site.user_refused = true;
    site.tried();
    site.ask(&keys, "none", || {}).await.unwrap_err();
    assert_eq!(site.tried(), ["one"]);
    site.ask(&keys, "none", || {}).await.unwrap_err();
    assert_eq!(site.tried(), ["one", "two"], "it is not taken for granted twice, and nothing is remembered here");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_named_before_what_cannot_be_read_whichever_comes_first() {
    let site = Site::new(&[("new", "wrong")]);
    for names in [["new", "old"], ["old", "new"]] {
        let failure = site.ask(&site.keys(&names), "right", || {}).await.unwrap_err();
        assert_eq!((failure.kind, failure.secret_refused), (FailureKind::Denied, true), "{failure}");
        assert!(failure.message.starts_with("wrong; the other one: the file "), "{failure}");
        assert!(failure.message.contains("/old cannot be read"), "{failure}");
    }
    let failure = site.ask(&site.keys(&["gone", "old"]), "right", || {}).await.unwrap_err();
    assert_eq!((failure.kind, failure.secret_refused), (FailureKind::Misconfigured, false), "{failure}");
    assert!(failure.message.contains("/gone") && failure.message.contains("/old"), "{failure}");
}

/// A secret at AWS: what it holds, or nothing while AWS cannot be asked, and what it holds next.
struct Far(Mutex<Option<&'static str>>, Mutex<Option<&'static str>>, Clock);

impl Far {
    fn lease(&self, secret: &str) -> Arc<Lease<SecretString>> {
        let now = self.2.now();
        Arc::new(Lease::new(Issued::new(secret.into(), now, now.plus(Duration::from_secs(60))), now))
    }
}

#[async_trait::async_trait]
impl Stage<SecretString> for Far {
    async fn held(&self, _: &Ask) -> Result<Arc<Lease<SecretString>>, Failure> {
        let down = || Failure::new(FailureKind::Unavailable, "Secrets Manager is down");
        self.0.lock().unwrap().map(|secret| self.lease(secret)).ok_or_else(down)
    }

    async fn newer(&self, _: &Ask, _: &Lease<SecretString>) -> Option<Arc<Lease<SecretString>>> {
        let next = self.1.lock().unwrap().take()?;
        *self.0.lock().unwrap() = Some(next);
        Some(self.lease(next))
    }
}

/// Keys of which the first is far and the second, if there is one, in the file b.
fn far(site: &Site, holds: Option<&'static str>, second: Option<&str>) -> (Arc<Far>, Keys) {
    let far = Arc::new(Far(Mutex::new(holds), Mutex::default(), site.clock.clone()));
    let remote = Remote::SecretsManager { id: "far".into(), key: None, stage: "AWSCURRENT".into() };
    let stage = Arc::clone(&far) as Arc<dyn Stage<SecretString>>;
    let keyring = Keyring::new(Arc::default(), [(remote.clone(), stage)].into());
    let second = second.map(|name| Place::Local(Secret::File(site.path(name))));
    let places = [Place::Remote(remote)].into_iter().chain(second).collect();
    (far, Keys::new(places, keyring, site.clock.clone()))
}

#[tokio::test(start_paused = true)]
async fn one_that_may_be_readable_soon_makes_the_failure_a_passing_one() {
    let site = Site::new(&[("b", "wrong")]);
    for second in ["b", "missing"] {
        let (far, keys) = far(&site, None, Some(second));
        let failure = site.ask(&keys, "right", || {}).await.unwrap_err();
        assert_eq!((failure.kind, failure.secret_refused), (FailureKind::Unavailable, false), "{failure}");
        assert!(failure.message.starts_with("Secrets Manager is down; the other one: "), "{failure}");
        *far.0.lock().unwrap() = Some("right");
        assert_eq!(site.ask(&keys, "right", || {}).await.unwrap().value, "right", "as soon as it can be read");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_secret_is_looked_for_at_aws_while_the_refused_one_rests() {
    let site = Site::new(&[]);
    let (far, keys) = far(&site, Some("wrong"), None);
    site.ask(&keys, "right", || {}).await.unwrap_err();
    site.ask(&keys, "right", || {}).await.unwrap_err();
    assert_eq!(site.tried(), ["wrong"]);
    *far.1.lock().unwrap() = Some("right");
    assert_eq!(site.ask(&keys, "right", || {}).await.unwrap().value, "right");
    assert_eq!(site.tried(), ["right"]);
}
