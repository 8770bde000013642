//! Subject tokens in the engine, with a source that answers with whose token it was asked, on the paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::schedule::{Freshness, Keep};
use super::super::{CacheState, Entry, Inputs, Served};
use super::*;
use crate::lease::Issued;
use crate::source::{Failure, Source, Subject};

const PATIENCE: Duration = Duration::from_millis(850);

struct Echo {
    asked: AtomicUsize,
    takes: Duration,
    clock: Clock,
}

#[async_trait]
impl Source<String> for Echo {
    #[expect(clippy::disallowed_methods, reason = "a test looks at what it sent")]
    async fn fetch(&self, ask: &Ask) -> Result<Issued<String>, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let sent_at = self.clock.now();
        tokio::time::sleep(self.takes).await;
        let subject = ask.subject.as_ref().unwrap();
        let whose = subject.token().expose_secret().to_owned();
        Ok(Issued::new(whose, sent_at, sent_at.plus(Duration::from_secs(3_600))))
    }
}

struct World {
    echo: Arc<Echo>,
    entry: Entry<String>,
    clock: Clock,
}

fn world(most: usize, takes: u64) -> World {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    let takes = Duration::from_secs(takes);
    let echo = Arc::new(Echo { asked: AtomicUsize::new(0), takes, clock: clock.clone() });
    let entry = of(&echo, Inputs { subject: NonZeroUsize::new(most), ..Inputs::default() });
    World { echo, entry, clock }
}

fn of(echo: &Arc<Echo>, inputs: Inputs) -> Entry<String> {
    let freshness =
        Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::from_secs(1_800) };
    let source = Arc::clone(echo) as Arc<dyn Source<String>>;
    Entry::new("credentials.u", "a test", source, inputs, freshness, echo.clock.clone())
}

impl World {
    fn ask_of(&self, token: &str, lives: u64) -> Ask {
        let expiry = self.clock.now().plus(Duration::from_secs(lives));
        let subject = Subject::new(SecretString::from(token), expiry, None);
        Ask { subject: Some(Arc::new(subject)), ..Ask::default() }
    }

    async fn ask(&self, ask: &Ask) -> Result<Served<String>, Unserved> {
        self.entry.lease(ask, PATIENCE).await
    }

    fn asked(&self) -> usize {
        self.echo.asked.load(Ordering::SeqCst)
    }

    fn crowd(&self) -> Crowd {
        self.entry.report().crowd.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_subjects_are_asked_for_once_each_and_none_gets_anothers() {
    let world = world(200, 0);
    for n in 0..10_000 {
        let (token, ask) = (format!("token-{n}"), world.ask_of(&format!("token-{n}"), 7_200));
        let (first, again) = (world.ask(&ask).await.unwrap(), world.ask(&ask).await.unwrap());
        assert_eq!((&*first.lease.value, &*again.lease.value), (&token, &token));
        assert!(world.crowd().held <= 200);
    }
    let crowd = world.crowd();
    assert_eq!((world.asked(), crowd.held, crowd.most), (10_000, 200, 200));
    assert_eq!((crowd.counts.fetches, crowd.counts.hits), (10_000, 10_000), "what is let go of still counts");
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_makes_room() {
    let world = world(2, 0);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|token| world.ask_of(token, 7_200));
    for ask in [&ann, &bob, &ann, &eve] {
        world.ask(ask).await.unwrap();
    }
    assert_eq!(world.asked(), 3);
    world.ask(&ann).await.unwrap();
    assert_eq!(world.asked(), 3, "ann was used last");
    world.ask(&bob).await.unwrap();
    assert_eq!(world.asked(), 4, "bob made room for eve");
}

#[tokio::test(start_paused = true)]
async fn nobody_in_the_middle_of_a_fetch_makes_room() {
    let world = world(2, 5);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|token| world.ask_of(token, 7_200));
    let (one, two) = tokio::join!(world.ask(&ann), world.ask(&bob));
    assert!(matches!((one, two), (Err(Unserved::Pending), Err(Unserved::Pending))));
    assert!(matches!(world.ask(&eve).await, Err(Unserved::Crowded)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*world.ask(&ann).await.unwrap().lease.value, "ann");
}

#[tokio::test(start_paused = true)]
async fn what_ends_with_its_token_is_neither_renewed_nor_kept_nor_waited_for() {
    let world = world(10, 0);
    let ask = world.ask_of("ann", 2_700);
    world.ask(&ask).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2_000)).await;
    let before = world.clock.now();
    let late = world.ask(&ask).await.unwrap();
    assert_eq!(world.clock.now(), before, "there is no renewal to wait for");
    assert_eq!((late.lease.value.as_str(), world.asked()), ("ann", 1), "a renewal would end with the token as well");
    tokio::time::sleep(Duration::from_secs(800)).await;
    assert_eq!((world.crowd().held, world.asked()), (0, 1), "the token is let go of when it ends");
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_credentials_is_renewed_while_it_is_used() {
    let world = world(10, 0);
    let ask = world.ask_of("ann", 86_400);
    for _ in 0..20 {
        assert_eq!(*world.ask(&ask).await.unwrap().lease.value, "ann");
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    assert!((4..=8).contains(&world.asked()), "{} in 200 minutes", world.asked());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_for_a_subject_follows_another_policy_too() {
    let world = world(10, 0);
    let ask = world.ask_of("ann", 86_400);
    world.ask(&ask).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.ask(&ask).await.unwrap().cache, CacheState::Hit);
    world.entry.keep_by(&Freshness { ahead: 0.1, ..world.entry.report().freshness });
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((world.asked(), world.crowd().held), (2, 1), "a sixth of its life is over");
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_has_for_a_subject_of_its_own_goes_with_the_caller() {
    let mut world = world(10, 0);
    world.entry = of(&world.echo, Inputs { caller: true, ..world.entry.inputs() });
    for (caller, token) in [("orders", "ann"), ("reports", "ann"), ("reports", "bob")] {
        world.ask(&Ask { caller: Some(caller.to_owned()), ..world.ask_of(token, 7_200) }).await.unwrap();
    }
    world.entry.forget_callers_but(&["orders".to_owned()].into());
    let crowd = world.crowd();
    assert_eq!((crowd.held, crowd.counts.fetches), (1, 3), "what is let go of still counts");
}
