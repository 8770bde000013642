#![expect(clippy::disallowed_methods, reason = "tests look at the secrets they planted")]

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::*;
use crate::clock::Clock;

struct Site {
    dir: tempfile::TempDir,
    clock: Clock,
    tried: Mutex<Vec<String>>,
}

impl Site {
    fn new(secrets: &[(&str, &str)]) -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::tokio(SystemTime::UNIX_EPOCH),
            tried: Mutex::default(),
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
        Keys::new(places, Keyring::default())
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
                Err(Failure { secret_refused: true, ..Failure::new(FailureKind::Denied, "wrong") })
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
