//! Public keys that verify signatures: one JSON Web Key (RFC 7517, 7518, 8037) becomes one [`PublicKey`], which knows the
//! algorithms it may be used with. A token that asks for another is refused, whatever else is right with it.
//!
//! RSA from 2048 bits (RS and PS), P-256 (ES256), P-384 (ES384) and Ed25519 (EdDSA). `alg`, where given, narrows an RSA key to
//! that one. What is for encryption, secret, too small or not known here is no key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::{Value, json};

/// The sizes of RSA moduli in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// A signature algorithm of JWS (RFC 7518 section 3.1, RFC 8037) with a public key. There is no other here: neither "none"
/// nor HMAC can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

const RSA: &[Algorithm] =
    &[Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];

impl Algorithm {
    /// The algorithm called `name` in `alg`, if it is one of these.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 names the curve.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// What it is called in `alg`.
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A public key, with its id and what it may be used with.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// Its `kid`.
    pub id: Option<String>,
    algorithms: Vec<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point(Vec<u8>),
}

/// The members of a JSON Web Key that are looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKey {
    /// Reads a JSON Web Key. `None` if it is not a key that verifies signatures here.
    pub fn read(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        let for_signatures = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let may_verify = jwk.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        let (family, material) = jwk.material()?;
        let algorithms = match jwk.alg.as_deref() {
            None => family.to_vec(),
            Some(name) => vec![Algorithm::named(name).filter(|one| family.contains(one))?],
        };
        (for_signatures && may_verify).then_some(Self { id: jwk.kid, algorithms, material })
    }

    /// It as a JSON Web Key, which reads the same.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::Rsa { n, e } => json!({ "kty": "RSA", "n": text(n), "e": text(e) }),
            Material::Point(point) => match point.split_first() {
                Some((4, point)) if point.len() == 64 || point.len() == 96 => {
                    let (x, y) = point.split_at(point.len() / 2);
                    json!({ "kty": "EC", "crv": format!("P-{}", x.len() * 8), "x": text(x), "y": text(y) })
                }
                _ => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(point) }),
            },
        };
        if let Some(id) = &self.id {
            jwk["kid"] = json!(id);
        }
        if let [only] = &*self.algorithms {
            jwk["alg"] = json!(only.name());
        }
        jwk
    }

    /// May it be used with `algorithm`?
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Is `signature` this key's, by `algorithm`, of `message`? Never where the key does not allow the algorithm.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.allows(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => rsa(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Material::Point(point) => curve(algorithm)
                .is_some_and(|curve| UnparsedPublicKey::new(curve, point).verify(message, signature).is_ok()),
        }
    }
}

/// The points of Ed25519 whose order is at most 8, as their coordinate y is encoded, least significant byte first and without the
/// sign of x: 0, 1, the two of order 8, and p - 1; p and p + 1 are other spellings of 0 and 1. With such a key some fixed
/// signatures are right for very many messages.
const OF_SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    y_of(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    y_of(0xec, 0xff, 0x7f),
    y_of(0xed, 0xff, 0x7f),
    y_of(0xee, 0xff, 0x7f),
];

const fn y_of(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut y = [between; 32];
    y[0] = first;
    y[31] = last;
    y
}

fn is_of_small_order(point: &[u8]) -> bool {
    OF_SMALL_ORDER.iter().any(|small| {
        let (last, rest) = (point.last().map(|last| last & 0x7f), &point[..point.len().saturating_sub(1)]);
        rest == &small[..31] && last == Some(small[31])
    })
}

impl Jwk {
    /// The key itself, and the algorithms of its kind.
    fn material(&self) -> Option<(&'static [Algorithm], Material)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa().map(|material| (RSA, material)),
            ("EC", Some("P-256")) => self.point(32).map(|material| (&[Algorithm::Es256][..], material)),
            ("EC", Some("P-384")) => self.point(48).map(|material| (&[Algorithm::Es384][..], material)),
            ("OKP", Some("Ed25519")) => {
                let x = bytes(self.x.as_ref()).filter(|x| x.len() == 32 && !is_of_small_order(x))?;
                Some((&[Algorithm::EdDsa], Material::Point(x)))
            }
            _ => None,
        }
    }

    fn rsa(&self) -> Option<Material> {
        let (n, e) = (positive(self.n.as_ref())?, positive(self.e.as_ref())?);
        let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
        let is_exponent = e.len() <= 4 && e != [1] && e.last().is_some_and(|last| last % 2 == 1);
        (RSA_BITS.contains(&bits) && is_exponent).then_some(Material::Rsa { n, e })
    }

    /// The uncompressed point of SEC 1 section 2.3.3, of coordinates that are `size` bytes long.
    fn point(&self, size: usize) -> Option<Material> {
        let coordinate = |text| bytes(text).filter(|bytes| bytes.len() == size);
        let (x, y) = (coordinate(self.x.as_ref())?, coordinate(self.y.as_ref())?);
        Some(Material::Point([vec![4], x, y].concat()))
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A positive number in big-endian order, without the zeros that some servers put before it.
fn positive(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// RFC 7518 section 3.4: a signature of ECDSA is the two numbers side by side, not DER.
fn curve(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDsa => Some(&signature::ED25519),
        _ => None,
    }
}

#[cfg(test)]
#[path = "public_key_tests.rs"]
mod tests;
