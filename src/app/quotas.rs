//! From the configuration to the quotas that entries share: which of an upstream's limits an entry counts against, and how much
//! of it one host takes.
//!
//! AWS counts per account and Region. An entry does not always say which those are (a domain may be a custom one), so entries of one kind
//! share one quota wherever they ask: that is less than any of them could have, and still far more than renewals need. What is taken in
//! the first second and after it stays below the published quota, with room for other hosts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use url::Url;

use crate::clock::Clock;
use crate::config::{self, CredentialsSource, Endpoint, TokenSource};
use crate::environment::Environment;
use crate::refresh::budget::{Quota, Rate};

/// ClientAuthentication, not adjustable: 150 a second.
const CLIENTS: Rate = Rate { per_second: 50.0, at_once: 50.0 };
/// UserAuthentication: 120 a second, and a sign-in is up to three requests.
const USERS: Rate = Rate { per_second: 15.0, at_once: 20.0 };
/// GetId: 25 a second, the narrowest of an identity pool; a known identity needs none.
const IDENTITIES: Rate = Rate { per_second: 15.0, at_once: 10.0 };
/// STS: 600 a second.
const SESSIONS: Rate = Rate { per_second: 100.0, at_once: 100.0 };
/// A server of which nothing is known.
const OTHERS: Rate = Rate { per_second: 10.0, at_once: 20.0 };

const USER_POOLS: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";
const IDENTITY_POOLS: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY";
const STS: &str = "AWS_ENDPOINT_URL_STS";

/// The quotas in use. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<Mutex<BTreeMap<String, Weak<Quota>>>>);

impl Quotas {
    /// The quota that a token from `source` counts against, if there is one.
    pub fn of_token(&self, source: &TokenSource, environment: &Environment, clock: &Clock) -> Option<Arc<Quota>> {
        match source {
            TokenSource::TokenEndpoint { endpoint: Endpoint::Cognito(url), .. } => {
                (!config::is_loopback(url)).then(|| self.shared("clients of user pools", CLIENTS, clock))
            }
            TokenSource::TokenEndpoint { endpoint: Endpoint::Fixed(url), .. } => self.of_server(url, clock),
            TokenSource::TokenEndpoint { endpoint: Endpoint::OfIssuer(issuer), .. } => {
                self.of_server(&issuer.url, clock)
            }
            TokenSource::ClientToken(_) => {
                self.at_aws(USER_POOLS, environment, || self.shared("clients of user pools", CLIENTS, clock))
            }
            TokenSource::MachineUser(_) => {
                self.at_aws(USER_POOLS, environment, || self.shared("users of user pools", USERS, clock))
            }
            TokenSource::IdentityToken { .. } => self.at_aws(STS, environment, || self.shared("STS", SESSIONS, clock)),
        }
    }

    /// The quota that credentials from `source` count against, if there is one.
    pub fn of_credentials(
        &self,
        source: &CredentialsSource,
        environment: &Environment,
        clock: &Clock,
    ) -> Option<Arc<Quota>> {
        match source {
            CredentialsSource::Ambient => None,
            CredentialsSource::AssumeRole { .. } | CredentialsSource::WebIdentity { .. } => {
                self.at_aws(STS, environment, || self.shared("STS", SESSIONS, clock))
            }
            CredentialsSource::IdentityPool { .. } => {
                self.at_aws(IDENTITY_POOLS, environment, || self.shared("identity pools", IDENTITIES, clock))
            }
        }
    }

    fn of_server(&self, url: &Url, clock: &Clock) -> Option<Arc<Quota>> {
        let server = url.host_str().filter(|_| !config::is_loopback(url))?;
        Some(self.shared(&format!("the server {server}"), OTHERS, clock))
    }

    /// A loopback endpoint is not AWS and has none of its quotas.
    fn at_aws(
        &self,
        variable: &str,
        environment: &Environment,
        quota: impl FnOnce() -> Arc<Quota>,
    ) -> Option<Arc<Quota>> {
        let endpoint = environment.var(variable).or_else(|| environment.var("AWS_ENDPOINT_URL"));
        let is_here = endpoint.and_then(|url| Url::parse(url).ok()).is_some_and(|url| config::is_loopback(&url));
        (!is_here).then(quota)
    }

    fn shared(&self, name: &str, rate: Rate, clock: &Clock) -> Arc<Quota> {
        let mut quotas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quota) = quotas.get(name).and_then(Weak::upgrade) {
            return quota;
        }
        quotas.retain(|_, quota| quota.strong_count() > 0);
        let quota = Arc::new(Quota::new(name, rate, clock.clone()));
        quotas.insert(name.to_owned(), Arc::downgrade(&quota));
        quota
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClientAuth, Login};
    use crate::source::{client_token, identity_pool, token_endpoint};

    fn endpoint(endpoint: Endpoint) -> TokenSource {
        let client = token_endpoint::Config {
            client_id: "c".to_owned(),
            scopes: Vec::new(),
            audience: None,
            resource: Vec::new(),
            parameters: BTreeMap::new(),
        };
        TokenSource::TokenEndpoint { client, endpoint, auth: ClientAuth::Basic(Vec::new()) }
    }

    fn client_token() -> TokenSource {
        TokenSource::ClientToken(client_token::Config {
            region: "eu-west-1".to_owned(),
            client_id: "c".to_owned(),
            client_secret: Vec::new(),
            scopes: Vec::new(),
            metadata: BTreeMap::new(),
        })
    }

    fn at(url: &str) -> Url {
        url.parse().unwrap()
    }

    fn of(quotas: &Quotas, source: &TokenSource) -> Option<Arc<Quota>> {
        quotas.of_token(source, &Environment::default(), &Clock::system())
    }

    #[test]
    fn clients_of_user_pools_share_a_quota_however_they_ask() {
        let quotas = Quotas::default();
        let by_domain = of(&quotas, &endpoint(Endpoint::Cognito(at("https://acme.auth.eu-west-1.amazoncognito.com/"))));
        let by_another = of(&quotas, &endpoint(Endpoint::Cognito(at("https://login.acme.example/oauth2/token"))));
        let by_operation = of(&quotas, &client_token());
        assert!(Arc::ptr_eq(&by_domain.clone().unwrap(), &by_another.unwrap()));
        assert!(Arc::ptr_eq(&by_domain.unwrap(), &by_operation.unwrap()));
    }

    #[test]
    fn every_other_server_has_its_own() {
        let quotas = Quotas::default();
        let [one, again, other] = ["https://a.example/token", "https://a.example/oauth", "https://b.example/token"]
            .map(|url| of(&quotas, &endpoint(Endpoint::Fixed(at(url)))).unwrap());
        assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn what_stands_in_for_aws_on_this_machine_has_none() {
        let (quotas, clock) = (Quotas::default(), Clock::system());
        assert!(of(&quotas, &endpoint(Endpoint::Fixed(at("http://127.0.0.1:5000/token")))).is_none());
        let pool = identity_pool::Config {
            identity_pool: "eu-west-1:x".to_owned(),
            region: "eu-west-1".to_owned(),
            flow: identity_pool::Flow::Enhanced(None),
        };
        let guests = CredentialsSource::IdentityPool { pool, login: Login::Guest };
        for (variable, value, limited) in [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000", false),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "http://[::1]:5000", false),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "https://vpce-1.cognito-identity.eu-west-1.vpce.amazonaws.com", true),
            ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:5000", true),
        ] {
            let environment = Environment::from([(variable, value)]);
            let quota = quotas.of_credentials(&guests, &environment, &clock);
            assert_eq!(quota.is_some(), limited, "{variable}={value}");
        }
    }

    #[test]
    fn the_first_second_and_those_after_it_stay_below_what_aws_publishes() {
        for (rate, requests, published) in
            [(CLIENTS, 1.0, 150.0), (USERS, 3.0, 120.0), (IDENTITIES, 1.0, 25.0), (SESSIONS, 1.0, 600.0)]
        {
            assert!((rate.per_second + rate.at_once) * requests <= published, "{rate:?}");
        }
    }
}
