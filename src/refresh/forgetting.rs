//! What is let go of when callers may have less than before: where the caller matters, each has a variation of its own, and nobody else
//! could be handed that.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use crate::policy::Grant;

/// By the full name of an entry, whom it is asked for.
type Askers = BTreeMap<String, BTreeSet<String>>;

impl Store {
    /// Lets go of what is held for callers that may no longer have it, nor anything that is built on it; `allowed` says who may have
    /// what.
    pub fn forget_callers_but(&self, allowed: impl Fn(&Grant) -> Vec<String>) {
        let (askers, nobody) = (self.askers(allowed), BTreeSet::new());
        let of = |name: &str| askers.get(name).unwrap_or(&nobody);
        self.tokens.values().for_each(|token| token.entry.forget_callers_but(of(token.entry.name())));
        self.credentials.values().for_each(|held| held.entry.forget_callers_but(of(held.entry.name())));
    }

    /// Whoever may have an entry is one for whom the entries before it in its chain are asked.
    fn askers(&self, allowed: impl Fn(&Grant) -> Vec<String>) -> Askers {
        let tokens = self.tokens.keys().map(|name| Grant::Token(name.clone()));
        let credentials = self.credentials.keys().map(|name| Grant::Credentials(name.clone()));
        let mut askers = Askers::new();
        for grant in tokens.chain(credentials) {
            let callers = allowed(&grant);
            let mut next = Some(grant.to_string());
            // A chain has no circle, which the check of the configuration sees to.
            while let Some(name) = next {
                next = self.before(&name).map(ToOwned::to_owned);
                askers.entry(name).or_default().extend(callers.iter().cloned());
            }
        }
        askers
    }

    /// The full name of the entry before the one called `name`.
    fn before(&self, name: &str) -> Option<&str> {
        let token = name.strip_prefix("tokens.").and_then(|name| self.tokens.get(name));
        let credentials = name.strip_prefix("credentials.").and_then(|name| self.credentials.get(name));
        token.and_then(|token| token.entry.after()).or_else(|| credentials.and_then(|held| held.entry.after()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use async_trait::async_trait;
    use secrecy::SecretString;

    use super::super::schedule::{Freshness, Keep};
    use super::super::{Credentials, Entry, Inputs, OnBehalfOf, Origin};
    use super::*;
    use crate::clock::Clock;
    use crate::lease::Issued;
    use crate::source::{Ask, AwsCredentials, Failure, Source, Stage as _};

    struct Sts(Clock);

    #[async_trait]
    impl Source<AwsCredentials> for Sts {
        async fn fetch(&self, _: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
            let value = AwsCredentials {
                access_key_id: "ASIA".to_owned(),
                secret_access_key: SecretString::from("s"),
                session_token: None,
                account_id: None,
                role_arn: None,
            };
            Ok(Issued::new(value, self.0.now(), self.0.now().plus(Duration::from_secs(3_600))))
        }
    }

    fn entry(name: &str, after: Option<&str>, clock: &Clock) -> Arc<Entry<AwsCredentials>> {
        let freshness = Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
        let inputs = Inputs { caller: true, ..Inputs::default() };
        let origin = Origin { after: after.map(ToOwned::to_owned), ..Origin::default() };
        Arc::new(Entry::new(name, origin, Arc::new(Sts(clock.clone())), inputs, freshness, clock.clone()))
    }

    fn held(entry: &Entry<AwsCredentials>) -> Vec<String> {
        entry.report().variations.into_iter().filter_map(|(ask, _)| ask.caller).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_for_a_caller_stays_as_long_as_it_may_have_that_or_what_is_built_on_it() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let [hub, orders] = [("hub", None), ("orders", Some("credentials.hub"))]
            .map(|(name, after)| entry(&format!("credentials.{name}"), after, &clock));
        let named = |entry: &Arc<Entry<AwsCredentials>>| Credentials {
            entry: Arc::clone(entry),
            freshness: entry.report().freshness,
            on_behalf_of: OnBehalfOf::Itself,
        };
        let credentials = BTreeMap::from([("hub".into(), named(&hub)), ("orders".into(), named(&orders))]);
        let store = Store::new(BTreeMap::new(), credentials, Arc::clone(&hub));
        for caller in ["a", "b", "c"] {
            let ask = Ask { caller: Some(caller.to_owned()), ..Ask::default() };
            hub.held(&ask).await.unwrap();
            orders.held(&ask).await.unwrap();
        }
        let allowed = |grant: &Grant| match grant {
            Grant::Credentials(name) if name == "hub" => vec!["a".to_owned()],
            _ => vec!["b".to_owned()],
        };
        store.forget_callers_but(allowed);
        assert_eq!((held(&hub), held(&orders)), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]));
    }
}
