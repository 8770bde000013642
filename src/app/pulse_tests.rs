use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use tokio::net::UnixListener;

use super::*;
use crate::clock::Clock;

const LIMIT: Duration = Duration::from_secs(20);

/// How often the watchdog is fed in ten times its limit.
async fn fed<L: Future<Output = bool>>(look: impl Fn() -> L) -> u32 {
    let fed = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&fed);
    let feed = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    tokio::time::timeout(10 * LIMIT, beat(LIMIT / FEEDS, look, feed)).await.unwrap_err();
    fed.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_while_there_is_progress_and_no_longer() {
    assert!((15..=31).contains(&fed(|| async { true }).await), "often enough, and not without end");
    assert_eq!(fed(|| async { false }).await, 0);
    assert_eq!(fed(std::future::pending).await, 0, "a look that never ends is no progress");
}

#[tokio::test]
async fn a_listener_that_has_answered_and_does_no_more_is_no_progress() {
    let dir = tempfile::tempdir().unwrap();
    let (open, gone) = (dir.path().join("open.sock"), dir.path().join("gone.sock"));
    let listener = UnixListener::bind(&open).unwrap();
    let life = Life::new(Clock::tokio(SystemTime::UNIX_EPOCH).now());
    let names = ["127.0.0.1:1", "admin 127.0.0.1:1", "forward a"].map(Knock::at);
    assert_eq!(names, [Some(Knock::Tcp("127.0.0.1:1".parse().unwrap())), None, None]);
    let listeners = [open, gone].map(|path| Knock::at(&format!("unix:{}", path.display())).unwrap());
    let mut watch = Watch::default();
    let mut is_alive = async || watch.is_alive(listeners.to_vec(), &life).await;
    let asked = question(&life).len();
    let answering = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; asked];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap();
        }
    });
    assert!(is_alive().await, "a refusal is an answer, and what was never reached says nothing");
    answering.abort();
    answering.await.unwrap_err();
    assert!(!is_alive().await);
    life.drain();
    assert!(is_alive().await, "a drain has an end of its own");
}

#[test]
fn who_settles_places_in_a_flood_is_alive() {
    let mut watch = Watch::default();
    let seen = [0, 9, 12, 12].map(|settled| watch.has_settled(settled));
    assert_eq!(seen, [false, true, true, false]);
}
