//! What tells one credential from another without showing either: a keyed hash, so that whoever reads the log and guesses learns
//! nothing, and whoever holds the key and a credential can look it up.
//!
//! HMAC-SHA256 under the key, as its text stands in its place, of the token; of AWS credentials, of their access key id, which
//! CloudTrail and every signed request show. The first 16 bytes, in hexadecimal.

use std::fmt;
use std::io;

use ring::hmac;
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};

use super::CannotAudit;
use crate::environment::Environment;
use crate::secret::Secret;

/// A key that is shorter, in bytes, can be guessed.
const SHORTEST_KEY: usize = 32;
const LENGTH: usize = 16;

/// The key of the fingerprints.
pub struct Key(hmac::Key);

/// A keyed hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; LENGTH]);

impl Key {
    /// Reads the key.
    ///
    /// # Errors
    /// If it cannot be read, or is too short to be one.
    pub fn read(place: &Secret, environment: &Environment) -> Result<Self, CannotAudit> {
        let text = place.read(environment)?;
        #[expect(clippy::disallowed_methods, reason = "it becomes the key")]
        let bytes = text.expose_secret().as_bytes();
        if bytes.len() < SHORTEST_KEY {
            return Err(CannotAudit::Short(place.to_string()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A random key, which ends with the process.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| io::Error::other("there are no random numbers"))
    }

    /// Does `other` give the same fingerprints?
    pub fn is_same(&self, other: &Self) -> bool {
        self.of("") == other.of("")
    }

    /// The fingerprint of a token.
    #[expect(clippy::disallowed_methods, reason = "only a keyed hash of it is kept")]
    pub fn of_token(&self, token: &SecretString) -> Fingerprint {
        self.of(token.expose_secret())
    }

    /// The fingerprint of a token, or of an access key id.
    pub fn of(&self, text: &str) -> Fingerprint {
        let tag = hmac::sign(&self.0, text.as_bytes());
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(&tag.as_ref()[..LENGTH]);
        Fingerprint(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two of those are all of it.
        let (high, low) = self.0.split_at(LENGTH / 2);
        let number = |half: &[u8]| half.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        write!(f, "{:016x}{:016x}", number(high), number(low))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
