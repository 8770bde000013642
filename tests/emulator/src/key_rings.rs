//! Signing keys by name, made when they are first needed: making one takes a moment of computing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::keys::{Algorithm, SigningKey};

/// The key that signs, and after a rotation the one before it.
type Ring = Vec<Arc<SigningKey>>;

#[derive(Default)]
pub(crate) struct KeyRings {
    rings: Mutex<BTreeMap<(String, Algorithm), Ring>>,
}

impl KeyRings {
    /// The key that signs.
    pub(crate) fn signing(&self, name: &str, algorithm: Algorithm) -> Arc<SigningKey> {
        Arc::clone(&self.published(name, algorithm)[0])
    }

    /// The published key of this id, if there is one.
    pub(crate) fn by_kid(&self, name: &str, algorithm: Algorithm, kid: &str) -> Option<Arc<SigningKey>> {
        self.published(name, algorithm).into_iter().find(|key| key.kid == kid)
    }

    /// The JSON Web Key Set of one name.
    pub(crate) fn jwks(&self, name: &str, algorithms: &[Algorithm]) -> Value {
        let keys = algorithms.iter().flat_map(|algorithm| self.published(name, *algorithm));
        json!({ "keys": keys.map(|key| key.jwk()).collect::<Vec<_>>() })
    }

    /// Puts a new key in front; only one generation is remembered.
    pub(crate) fn rotate(&self, name: &str, algorithm: Algorithm) {
        let previous = self.signing(name, algorithm);
        let fresh = vec![Arc::new(SigningKey::generate(algorithm)), previous];
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.insert((name.to_owned(), algorithm), fresh);
    }

    fn published(&self, name: &str, algorithm: Algorithm) -> Ring {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.entry((name.to_owned(), algorithm));
        ring.or_insert_with(|| vec![Arc::new(SigningKey::generate(algorithm))]).clone()
    }
}
