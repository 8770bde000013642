//! Reading beside the runtime: a file system can hang, and a thread that reads from it cannot be taken back. Each place is read by
//! one at a time, so that it costs one thread however often it is tried.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

use super::{Secret, Unreadable};

/// A file that cannot be read within this is on a file system that hangs.
const LONGEST_READ: Duration = Duration::from_secs(5);

/// Those of this process, as its threads are.
pub static READINGS: Readings = Readings::new();

/// The readings of all places.
pub struct Readings(Mutex<BTreeMap<Secret, Arc<Place>>>);

#[derive(Default)]
struct Place {
    /// Held by whoever reads, until it has read.
    turn: Arc<tokio::sync::Mutex<()>>,
    hangs: AtomicBool,
}

impl Place {
    fn still_hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed) && self.turn.try_lock().is_err()
    }
}

impl Readings {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// What `read`, which reads `secret`, gives; or that this place hangs.
    pub async fn read<F>(&self, secret: &Secret, read: F) -> Result<SecretString, Unreadable>
    where
        F: FnOnce() -> Result<SecretString, Unreadable> + Send + 'static,
    {
        let place = self.place(secret);
        if place.still_hangs() {
            return Err(Unreadable::Hanging(secret.to_string()));
        }
        let reading = async {
            let turn = Arc::clone(&place.turn).lock_owned().await;
            let read = move || {
                let outcome = read();
                drop(turn);
                outcome
            };
            tokio::task::spawn_blocking(read).await
        };
        let outcome = tokio::time::timeout(LONGEST_READ, reading).await;
        place.hangs.store(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Unreadable::Hanging(secret.to_string())),
        }
    }

    fn place(&self, secret: &Secret) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(secret.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_system_that_hangs_costs_one_thread_until_it_answers() {
        let (readings, secret) = (Readings::new(), Secret::File("/hangs".into()));
        let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        // Blocks until `hold` is dropped.
        let read = || {
            let (starts, held) = (starts.clone(), Arc::clone(&held));
            readings.read(&secret, move || {
                starts.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
                Ok("content".into())
            })
        };
        let five_seconds = async {
            started.recv().await;
            tokio::time::advance(LONGEST_READ).await;
        };
        let (first, second, ()) = tokio::join!(read(), read(), five_seconds);
        for failure in [first.unwrap_err(), second.unwrap_err(), read().await.unwrap_err()] {
            assert!(failure.is_passing() && failure.to_string().contains("/hangs"), "{failure}");
        }
        assert!(started.try_recv().is_err(), "no other thread reads it");
        assert!(readings.read(&Secret::Env("A".into()), || Ok("other".into())).await.is_ok(), "other places are read");

        drop(hold);
        drop(readings.place(&secret).turn.lock().await);
        assert!(read().await.is_ok(), "it is read again as soon as the thread is back");
    }
}
