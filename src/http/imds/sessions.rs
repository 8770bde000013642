//! The sessions of a metadata service. A session is a random token and the end of its life; of the token only the digest is
//! held. They are bounded in number, and the one that has not been used for longest makes room: a program that is thrown out
//! opens another, and one that is at work cannot be thrown out by many that are not. All belong to the one caller of their
//! listener, whose every request is checked anyway, so a session gives nobody anything that is not theirs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lru::LruCache;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::clock::{Clock, Moment};

/// So many are open at once: an `aws` command opens one each time and leaves it open for six hours.
const MOST: usize = 1_024;

/// The SHA-256 of a session's token.
type Digest = [u8; 32];

/// The open sessions of one listener.
pub struct Sessions {
    ends: Mutex<LruCache<Digest, Moment>>,
    clock: Clock,
}

impl Sessions {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        // Grown as needed: a cap is not a reservation.
        Self { ends: Mutex::new(LruCache::unbounded()), clock }
    }

    /// Opens one that lasts for `ttl` and gives its token, 256 random bits; `None` if the machine has no random numbers.
    pub fn open(&self, ttl: Duration) -> Option<SecretString> {
        let mut random = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *random).ok()?;
        let token = URL_SAFE_NO_PAD.encode(*random);
        let mut ends = self.ends();
        while ends.len() >= MOST {
            ends.pop_lru();
        }
        ends.push(digest_of(&token), self.clock.now().plus(ttl));
        Some(token.into())
    }

    /// Is this the token of an open one? It counts as used then.
    pub fn is_open(&self, token: &str) -> bool {
        let (digest, mut ends) = (digest_of(token), self.ends());
        // What a search by the digest takes tells nothing of the token.
        let is_open = ends.get(&digest).is_some_and(|end| self.clock.now() < *end);
        if !is_open {
            ends.pop(&digest);
        }
        is_open
    }

    fn ends(&self) -> MutexGuard<'_, LruCache<Digest, Moment>> {
        // Nothing panics between two halves of a change.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest_of(token: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(Clock::tokio(SystemTime::UNIX_EPOCH))
    }

    #[expect(clippy::disallowed_methods, reason = "what a client would be told")]
    fn opened(sessions: &Sessions, seconds: u64) -> String {
        sessions.open(Duration::from_secs(seconds)).unwrap().expose_secret().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_was_said_to() {
        let sessions = sessions();
        let (short, long) = (opened(&sessions, 60), opened(&sessions, 21_600));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(sessions.is_open(&short) && sessions.is_open(&long));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!sessions.is_open(&short) && sessions.is_open(&long));
        tokio::time::advance(Duration::from_secs(21_540)).await;
        assert!(!sessions.is_open(&long));
        assert_eq!(sessions.ends().len(), 0, "what has ended is let go of");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_256_random_bits_and_only_its_digest_is_held() {
        let sessions = sessions();
        let (one, other) = (opened(&sessions, 60), opened(&sessions, 60));
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).unwrap().len(), 32);
        assert_ne!(one, other);
        for wrong in ["", "a", &one[1..], &one.to_lowercase(), &format!("{one}="), &format!("{one} ")] {
            assert!(!sessions.is_open(wrong), "{wrong}");
        }
        assert!(sessions.is_open(&one) && sessions.is_open(&other), "a wrong token ends nobody's session");
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_ends_the_one_unused_for_longest_and_the_next_the_next() {
        let sessions = sessions();
        let (busy, idle) = (opened(&sessions, 21_600), opened(&sessions, 21_600));
        let second = opened(&sessions, 21_600);
        for _ in 3..MOST {
            opened(&sessions, 21_600);
        }
        assert_eq!(sessions.ends().len(), MOST);
        assert!(sessions.is_open(&busy));
        opened(&sessions, 21_600);
        assert_eq!(sessions.ends().len(), MOST);
        assert!(!sessions.is_open(&idle) && sessions.is_open(&busy));
        // A place was not freed by looking for what is not there.
        opened(&sessions, 21_600);
        assert_eq!(sessions.ends().len(), MOST);
        assert!(!sessions.is_open(&second) && sessions.is_open(&busy));
        for _ in 0..3 * MOST {
            opened(&sessions, 1);
            assert!(sessions.is_open(&busy), "whoever is at work stays");
        }
        assert_eq!(sessions.ends().len(), MOST);
    }
}
