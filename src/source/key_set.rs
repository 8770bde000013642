//! Key sets (RFC 7517 section 5): the public keys with which an issuer's tokens are verified.
//!
//! They are asked for at an address out of the configuration, or at the `jwks_uri` of the metadata of the issuer that the
//! configuration names; never at one that a token names. A set that holds nothing to verify with is no answer, so that it does
//! not displace one that does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::discovery::Metadata;
use super::public_key::PublicKey;
use super::upstream::{Reply, Upstream};
use super::{Ask, Failure, FailureKind, Source, Stage};
use crate::clock::Clock;
use crate::lease::Issued;

/// No key is trusted longer than this after it was last seen at its issuer.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of an issuer, each told by its id.
#[derive(Debug)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads a set; keys that are not understood are left out. So are those without an id where there are others, and of
    /// those with the same id all but the first.
    ///
    /// # Errors
    /// What is wrong with it: it is no set, or none of it can be used.
    pub fn read(json: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json).map_err(|_| "is not a set of keys; check jwks_uri or issuer")?;
        let usable: Vec<PublicKey> = set.keys.iter().filter_map(PublicKey::read).collect();
        let is_single = usable.len() == 1;
        let mut keys: Vec<PublicKey> = Vec::new();
        for key in usable {
            let is_told = if key.id.is_none() { is_single } else { keys.iter().all(|other| other.id != key.id) };
            if is_told {
                keys.push(key);
            }
        }
        if keys.is_empty() { Err("holds no key that verifies signatures") } else { Ok(Self(keys)) }
    }

    /// The key called `id`; the nameless one for a token that names none.
    pub fn key(&self, id: Option<&str>) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id.as_deref() == id)
    }

    /// It as a set of JSON Web Keys, which reads the same.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.0.iter().map(PublicKey::jwk).collect::<Vec<_>>() })
    }

    /// The ids of the keys, in the order of the issuer.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|key| key.id.as_deref())
    }
}

/// Where a key set is published.
pub enum Place {
    /// Here.
    At(Url),
    /// Where the issuer's metadata says.
    Named(Arc<dyn Stage<Metadata>>),
}

/// The source of one issuer's key set.
pub struct Publication {
    issuer: String,
    place: Place,
    upstream: Upstream,
    clock: Clock,
}

impl Publication {
    /// The keys of `issuer`, for messages spelled as its tokens spell it, at `place`.
    pub fn new(issuer: String, place: Place, upstream: Upstream, clock: Clock) -> Self {
        Self { issuer, place, upstream, clock }
    }

    fn what(&self) -> String {
        format!("the key set of {}", self.issuer)
    }

    async fn url(&self, ask: &Ask) -> Result<Url, Failure> {
        match &self.place {
            Place::At(url) => Ok(url.clone()),
            Place::Named(metadata) => metadata.held(ask).await?.value.jwks_uri.clone().ok_or_else(|| {
                let message = format!("the metadata of {} names no jwks_uri; give jwks_uri itself", self.issuer);
                Failure::new(FailureKind::Misconfigured, message)
            }),
        }
    }

    fn read(&self, reply: &Reply) -> Result<KeySet, Failure> {
        let failure = |kind, fault: &str| Failure::new(kind, format!("{} {fault}", self.what()));
        let status = reply.status;
        let mut failed = match status {
            200 => {
                return KeySet::read(&reply.body).map_err(|fault| failure(FailureKind::Malformed, fault));
            }
            429 => failure(FailureKind::Throttled, "cannot be had (status 429); it is asked again"),
            500.. => failure(FailureKind::Unavailable, &format!("cannot be had (status {status}); it is asked again")),
            _ => failure(
                FailureKind::Misconfigured,
                &format!("is not there (status {status}); check the issuer's table"),
            ),
        };
        failed.retry_after = reply.retry_after;
        Err(failed)
    }
}

#[async_trait]
impl Source<KeySet> for Publication {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<KeySet>, Failure> {
        let url = self.url(ask).await?;
        let sent_at = self.clock.now();
        let reply = self.upstream.get(&self.what(), url.as_str()).await?;
        Ok(Issued::new(self.read(&reply)?, sent_at, sent_at.plus(LIFETIME)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::lease::Lease;

    fn ed25519(id: Option<&str>, x: char) -> Value {
        let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("{}A", x.to_string().repeat(42)) });
        if let Some(id) = id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    fn ids(keys: &[Value]) -> Result<Vec<String>, &'static str> {
        let set = KeySet::read(json!({ "keys": keys, "more": 1 }).to_string().as_bytes())?;
        let again = KeySet::read(set.jwks().to_string().as_bytes())?;
        assert_eq!(format!("{set:?}"), format!("{again:?}"), "as it is written it reads the same");
        Ok(set.0.iter().map(|key| key.id.clone().unwrap_or_default()).collect())
    }

    #[test]
    fn keys_that_cannot_be_told_apart_or_used_are_left_out() {
        let odd = json!({ "kty": "EC", "crv": "secp256k1", "kid": "odd" });
        assert_eq!(ids(&[ed25519(Some("a"), 'C'), odd.clone(), ed25519(Some("b"), 'B')]).unwrap(), ["a", "b"]);
        assert_eq!(ids(&[ed25519(Some("a"), 'C'), ed25519(None, 'B')]).unwrap(), ["a"]);
        assert_eq!(ids(&[odd.clone(), ed25519(None, 'B')]).unwrap(), [""]);
        assert!(ids(&[ed25519(None, 'C'), ed25519(None, 'B')]).is_err());
        assert!(ids(&[odd]).is_err() && ids(&[]).is_err());
        for not_a_set in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::read(not_a_set.as_bytes()).is_err(), "{not_a_set}");
        }
    }

    #[test]
    fn of_two_keys_with_one_id_the_first_is_taken() {
        let keys = json!({ "keys": [ed25519(Some("a"), 'C'), ed25519(Some("a"), 'B')] });
        let set = KeySet::read(keys.to_string().as_bytes()).unwrap();
        assert_eq!(set.ids().collect::<Vec<_>>(), ["a"]);
        let first = KeySet::read(json!({ "keys": [ed25519(Some("a"), 'C')] }).to_string().as_bytes()).unwrap();
        assert_eq!(format!("{set:?}"), format!("{first:?}"));
        assert!(set.key(None).is_none() && set.key(Some("b")).is_none() && set.key(Some("a")).is_some());
    }

    /// Metadata that names these keys.
    struct Names(Option<&'static str>);

    #[async_trait]
    impl Stage<Metadata> for Names {
        async fn held(&self, _: &Ask) -> Result<Arc<Lease<Metadata>>, Failure> {
            let jwks_uri = self.0.map(|uri| Url::parse(uri).unwrap());
            let metadata = Metadata { issuer: "https://login.example".to_owned(), token_endpoint: None, jwks_uri };
            let now = Clock::system().now();
            Ok(Arc::new(Lease::new(Issued::new(metadata, now, now.plus(LIFETIME)), now)))
        }

        async fn newer(&self, _: &Ask, _: &Lease<Metadata>) -> Option<Arc<Lease<Metadata>>> {
            None
        }
    }

    fn publication(place: Place) -> Publication {
        let upstream = Upstream::new(&Environment::default()).unwrap();
        Publication::new("https://login.example".to_owned(), place, upstream, Clock::system())
    }

    #[tokio::test]
    async fn the_address_is_that_of_the_configuration_or_of_the_metadata() {
        let url = async |place| publication(place).url(&Ask::default()).await;
        let at = Url::parse("https://login.example/keys").unwrap();
        assert_eq!(url(Place::At(at.clone())).await.unwrap(), at);
        assert_eq!(url(Place::Named(Arc::new(Names(Some("https://login.example/keys"))))).await.unwrap(), at);
        let failure = url(Place::Named(Arc::new(Names(None)))).await.unwrap_err();
        assert!(failure.kind == FailureKind::Misconfigured && failure.message.contains("jwks_uri"), "{failure}");
    }

    #[test]
    fn each_status_is_somebodys_fault() {
        let publication = publication(Place::At(Url::parse("https://login.example/keys").unwrap()));
        for (status, kind) in [
            (200, FailureKind::Malformed),
            (302, FailureKind::Misconfigured),
            (404, FailureKind::Misconfigured),
            (429, FailureKind::Throttled),
            (503, FailureKind::Unavailable),
        ] {
            let reply = Reply {
                status,
                retry_after: Some(Duration::from_secs(7)),
                request_id: None,
                date: None,
                body: b"<html>".to_vec().into(),
            };
            let failure = publication.read(&reply).unwrap_err();
            assert_eq!(failure.kind, kind, "{status}");
            assert!(failure.message.starts_with("the key set of https://login.example "), "{failure}");
            assert!(!failure.message.contains("html"), "{failure}");
        }
    }
}
