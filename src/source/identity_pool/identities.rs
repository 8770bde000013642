//! The identity of each login, so that GetId, with its small quota (25 a second for an account), is asked once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::source::Ask;

/// So many are remembered, the most recently used ones: subject tokens can be of any number of users.
const MOST: usize = 10_000;

/// Whose identity: the caller where it matters, and the verified user of a subject token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    caller: Option<String>,
    user: Option<(String, String)>,
}

/// The identities known.
pub struct Identities(Mutex<LruCache<Whose, String>>);

impl Default for Identities {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Identities {
    /// The identity of `ask`, if it is known.
    pub fn known(&self, ask: &Ask) -> Option<String> {
        self.lock().get(&whose(ask)?).cloned()
    }

    /// The identity of `ask` is `identity_id`.
    pub fn remember(&self, ask: &Ask, identity_id: &str) {
        let Some(whose) = whose(ask) else { return };
        let mut known = self.lock();
        known.push(whose, identity_id.to_owned());
        if known.len() > MOST {
            known.pop_lru();
        }
    }

    /// The identity of `ask` is to be looked up again.
    pub fn forget(&self, ask: &Ask) {
        if let Some(whose) = whose(ask) {
            self.lock().pop(&whose);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Whose, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` for a subject token of whose user nothing has been verified.
fn whose(ask: &Ask) -> Option<Whose> {
    let user = match &ask.subject {
        None => None,
        Some(subject) => Some(subject.user.clone()?),
    };
    Some(Whose { caller: ask.caller.clone(), user })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use secrecy::SecretString;

    use super::*;
    use crate::clock::Clock;
    use crate::source::Subject;

    fn ask_of(token: &str, user: Option<&str>) -> Ask {
        let end = Clock::tokio(SystemTime::UNIX_EPOCH).now();
        let user = user.map(|user| ("https://issuer".to_owned(), user.to_owned()));
        let subject = Arc::new(Subject::new(SecretString::from(token), end, user));
        Ask { subject: Some(subject), ..Ask::default() }
    }

    #[tokio::test]
    async fn a_user_keeps_the_identity_from_token_to_token_and_shares_it_with_nobody() {
        let identities = Identities::default();
        identities.remember(&ask_of("one", Some("ann")), "id-of-ann");
        assert_eq!(identities.known(&ask_of("two", Some("ann"))).as_deref(), Some("id-of-ann"));
        for other in [ask_of("one", Some("bob")), ask_of("one", None), Ask::default()] {
            assert_eq!(identities.known(&other), None, "{other:?}");
        }
        identities.forget(&ask_of("three", Some("ann")));
        assert_eq!(identities.known(&ask_of("one", Some("ann"))), None);
    }

    #[tokio::test]
    async fn they_are_bounded() {
        let identities = Identities::default();
        for n in 0..=MOST {
            identities.remember(&ask_of("t", Some(&n.to_string())), "id");
        }
        assert_eq!(identities.known(&ask_of("t", Some("0"))), None);
        assert!(identities.known(&ask_of("t", Some("1"))).is_some());
    }
}
