//! JSON Web Tokens: compact serialisation (RFC 7515 section 3.1), minted and read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::keys::SigningKey;

/// Signs `claims`; the header holds `kid` and `alg`, as Cognito's does.
pub(crate) fn mint(key: &SigningKey, claims: &Value) -> String {
    signed(key, &json!({ "kid": key.kid, "alg": key.algorithm.name() }), claims)
}

/// Signs `claims` under a header that has a `typ` as well.
pub(crate) fn mint_typed(key: &SigningKey, kind: &str, claims: &Value) -> String {
    signed(key, &json!({ "kid": key.kid, "typ": kind, "alg": key.algorithm.name() }), claims)
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signed = key.sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signed))
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A token taken apart, its signature not checked yet.
pub(crate) struct Unverified {
    header: Value,
    claims: Value,
    input: String,
    signed: Vec<u8>,
}

impl Unverified {
    /// `None` when the text is no JWT at all.
    pub(crate) fn parse(token: &str) -> Option<Unverified> {
        let (input, signed) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let token = Unverified {
            header: decode(header)?,
            claims: decode(claims)?,
            input: input.to_owned(),
            signed: URL_SAFE_NO_PAD.decode(signed).ok()?,
        };
        Some(token)
    }

    pub(crate) fn kid(&self) -> &str {
        self.header["kid"].as_str().unwrap_or_default()
    }

    /// A member of the header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header[name].as_str()
    }

    /// What was signed, and the signature.
    pub(crate) fn signed_parts(&self) -> (&[u8], &[u8]) {
        (self.input.as_bytes(), &self.signed)
    }

    /// Whether `key` signed this, with the algorithm the key is for.
    pub(crate) fn signed_by(&self, key: &SigningKey) -> bool {
        self.header["alg"].as_str() == Some(key.algorithm.name()) && key.verify(self.input.as_bytes(), &self.signed)
    }

    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims[claim].as_str()
    }

    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        self.claims[claim].as_i64()
    }

    pub(crate) fn claim(&self, name: &str) -> &Value {
        &self.claims[name]
    }

    /// `aud`: one text, or a list of them.
    pub(crate) fn audiences(&self) -> Vec<String> {
        match self.text("aud") {
            Some(one) => vec![one.to_owned()],
            None => self.list("aud"),
        }
    }

    /// A claim that is a list of strings; empty when absent.
    pub(crate) fn list(&self, claim: &str) -> Vec<String> {
        let items = self.claims[claim].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn decode(part: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    value.is_object().then_some(value)
}
