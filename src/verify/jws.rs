//! The compact form of a JWS (RFC 7515 section 7.1), read strictly: three parts of base64url without padding, the first two
//! JSON objects in which no member stands twice, for two readers could take a different one of them.
//!
//! Of the header only `alg`, `kid`, `typ` and `crit` mean anything here. `jku`, `jwk`, `x5u` and `x5c` would let a token say with
//! which key it is to be verified, and are not looked at. What an issuer signs for another purpose and says so in `typ` (RFC 8725
//! section 3.11: a logout token, a DPoP proof) is not taken for an access or ID token; most of those say `JWT`, or nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Refused;
use crate::source::public_key::Algorithm;

/// No token is larger than this, in bytes: header lines are not, either.
const LARGEST: usize = 16 * 1024;

/// A token taken apart. Nothing of it is verified.
pub struct Jws<'a> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// With which key it says that it is signed.
    pub key_id: Option<String>,
    /// What is signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Jws<'a> {
    /// Takes `token` apart.
    ///
    /// # Errors
    /// [`Refused::Malformed`], [`Refused::Kind`] and [`Refused::Algorithm`].
    pub fn read(token: &'a str) -> Result<Self, Refused> {
        if token.len() > LARGEST {
            return Err(Refused::Malformed("is larger than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed("is not a JWT of three parts"));
        };
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let signature = decode(signature)?;
        let header = object(header)?;
        if header.contains_key("crit") {
            return Err(Refused::Malformed("asks in its header for an extension that is not known here"));
        }
        let text = |name, fault| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refused::Malformed(fault)),
        };
        let key_id = text("kid", "has a key id that is not text")?.cloned();
        if text("typ", "has a typ that is not text")?.is_some_and(|kind| is_of_another_kind(kind)) {
            return Err(Refused::Kind);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        Ok(Self { algorithm: algorithm.ok_or(Refused::Algorithm)?, key_id, message, signature, payload })
    }

    /// The claims; for whoever has verified the signature.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn claims(&self) -> Result<Map<String, Value>, Refused> {
        object(self.payload)
    }
}

/// Is it the media type of a JWT (`…+jwt`), and not that of an access token (RFC 9068: `at+jwt`; Okta's own has words before it)?
fn is_of_another_kind(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    lower.ends_with("+jwt") && lower.rsplit(['/', '-']).next() != Some("at+jwt")
}

/// Without padding, and without stray bits at the end: of one token there is one spelling.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed("is not encoded in base64url"))
}

fn object(part: &str) -> Result<Map<String, Value>, Refused> {
    let malformed = Refused::Malformed("does not hold a JSON object whose members stand there once");
    let json = decode(part)?;
    let mut reader = serde_json::Deserializer::from_slice(&json);
    match Unique.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(malformed),
    }
}

/// Reads any JSON in which no object has two members of one name.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
