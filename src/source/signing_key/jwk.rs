//! A private key as a JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RsaKeyPair,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Algorithm, Fault, Pair, UNSUPPORTED, rejected};

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<SecretString>,
    e: Option<SecretString>,
    d: Option<SecretString>,
    p: Option<SecretString>,
    q: Option<SecretString>,
    dp: Option<SecretString>,
    dq: Option<SecretString>,
    qi: Option<SecretString>,
    x: Option<SecretString>,
    y: Option<SecretString>,
}

/// The key in `text`, the algorithm it is marked for where that `matters`, and its id.
pub fn read(text: &str, matters: bool) -> Result<(Pair, Option<Algorithm>, Option<String>), Fault> {
    // The parser's own words may quote the key.
    let jwk: Jwk = serde_json::from_str(text)
        .map_err(|_| "is JSON, but no JWK: expected one key, an object with kty".to_owned())?;
    let pair = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => jwk.rsa()?,
        ("EC", Some("P-256")) => Pair::P256(jwk.ec(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
        ("EC", Some("P-384")) => Pair::P384(jwk.ec(&ECDSA_P384_SHA384_FIXED_SIGNING)?),
        ("OKP", Some("Ed25519")) => jwk.ed25519()?,
        _ => return Err(UNSUPPORTED.to_owned()),
    };
    let marked = match jwk.alg.as_deref().filter(|_| matters) {
        None => None,
        Some(name) => Some(Algorithm::called(name).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::name).join(", ");
            format!("is a JWK for an algorithm (alg) that does not sign here: set algorithm to one of {known}")
        })?),
    };
    Ok((pair, marked, jwk.kid))
}

impl Jwk {
    fn rsa(&self) -> Result<Pair, Fault> {
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: bytes("n", &self.n)?, e: bytes("e", &self.e)? },
            d: bytes("d", &self.d)?,
            p: bytes("p", &self.p)?,
            q: bytes("q", &self.q)?,
            dP: bytes("dp", &self.dp)?,
            dQ: bytes("dq", &self.dq)?,
            qInv: bytes("qi", &self.qi)?,
        };
        RsaKeyPair::from_components(&components).map(Pair::Rsa).map_err(|why| rejected(&why))
    }

    fn ec(&self, curve: &'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, Fault> {
        let (d, x, y) = (bytes("d", &self.d)?, bytes("x", &self.x)?, bytes("y", &self.y)?);
        let public = [&[0x04], &x[..], &y[..]].concat();
        EcdsaKeyPair::from_private_key_and_public_key(curve, &d, &public, &SystemRandom::new())
            .map_err(|why| rejected(&why))
    }

    fn ed25519(&self) -> Result<Pair, Fault> {
        let (d, x) = (bytes("d", &self.d)?, bytes("x", &self.x)?);
        Ed25519KeyPair::from_seed_and_public_key(&d, &x).map(Pair::Ed25519).map_err(|why| rejected(&why))
    }
}

#[expect(clippy::disallowed_methods, reason = "the numbers of the private key are decoded")]
fn bytes(name: &str, member: &Option<SecretString>) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let text = member.as_ref().ok_or_else(|| match name {
        "d" => "is a JWK of a public key (without d): the private one signs".to_owned(),
        _ => format!("is a JWK without {name}: write the whole private key"),
    })?;
    let decoded = URL_SAFE_NO_PAD.decode(text.expose_secret());
    decoded.map(Zeroizing::new).map_err(|_| format!("is a JWK whose {name} is not Base64url: copy it again"))
}
