//! A private key in PEM (RFC 7468).

use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::{DAMAGED, Fault, Pair, UNSUPPORTED, rejected};

/// What is wrong with an EC key alone, and the way out.
pub const NO_PUBLIC_HALF: &str =
    "is an EC key without its public half, or damaged: write it anew with `openssl pkey -in OLD -out NEW`";

/// Where a PKCS#8 document of an EC key names the curve (RFC 5480): the DER of `{ ecPublicKey, curve }`.
const P256: &[u8] = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";

/// The first private key in `text`.
pub fn read(text: &str) -> Result<Pair, Fault> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()).map(Zeroizing::new).as_deref() {
        Ok(PrivateKeyDer::Pkcs8(der)) => pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => {
            RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Pair::Rsa).map_err(|why| rejected(&why))
        }
        Ok(PrivateKeyDer::Sec1(der)) => sec1(der.secret_sec1_der()),
        _ => Err(found(text)),
    }
}

/// Whatever kind it is of.
fn pkcs8(der: &[u8]) -> Result<Pair, Fault> {
    let rsa = RsaKeyPair::from_pkcs8(der).map(Pair::Rsa);
    let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519);
    first([(p256(der), NO_PUBLIC_HALF), (p384(der), NO_PUBLIC_HALF), (rsa, DAMAGED), (ed25519, DAMAGED)])
}

/// RFC 5915, wrapped into PKCS#8 for each curve in turn.
fn sec1(der: &[u8]) -> Result<Pair, Fault> {
    let keys = [p256(&wrapped(P256, der)), p384(&wrapped(P384, der))];
    first(keys.map(|key| (key, NO_PUBLIC_HALF)))
}

/// The first key that is one; else what is wrong with the last that is of the kind tried, and what it means that it is not
/// encoded as such.
fn first<const N: usize>(attempts: [(Result<Pair, KeyRejected>, &str); N]) -> Result<Pair, Fault> {
    let mut fault = UNSUPPORTED.to_owned();
    for (attempt, ill_encoded) in attempts {
        match attempt {
            Ok(pair) => return Ok(pair),
            Err(why) if why.to_string() == "WrongAlgorithm" => {}
            Err(why) if why.to_string() == "InvalidEncoding" => fault = ill_encoded.to_owned(),
            Err(why) => fault = rejected(&why),
        }
    }
    Err(fault)
}

fn p256(der: &[u8]) -> Result<Pair, KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).map(Pair::P256)
}

fn p384(der: &[u8]) -> Result<Pair, KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &SystemRandom::new()).map(Pair::P384)
}

/// `SEQUENCE { INTEGER 0, curve, OCTET STRING sec1 }`.
fn wrapped(curve: &[u8], sec1: &[u8]) -> Zeroizing<Vec<u8>> {
    let octets = Zeroizing::new(tagged(0x04, &[sec1]));
    Zeroizing::new(tagged(0x30, &[b"\x02\x01\x00", curve, &octets]))
}

/// DER: the tag, the length in its shortest form, the content.
fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![tag];
    if length >= 0x80 {
        der.extend(u8::try_from(significant.len()).map(|count| 0x80 | count));
    }
    der.extend_from_slice(significant);
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

/// What stands there instead, by its label alone.
fn found(text: &str) -> Fault {
    let has = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    let what = match () {
        () if has("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") => {
            "is encrypted: store it decrypted, in a file that only the daemon's user may read"
        }
        () if has("OPENSSH PRIVATE KEY") => "is in OpenSSH's own form: write it as PKCS#8 or as a JWK",
        () if has("PRIVATE KEY") || has("RSA PRIVATE KEY") || has("EC PRIVATE KEY") => DAMAGED,
        () if has("PUBLIC KEY") || has("RSA PUBLIC KEY") => "is a public key: the private one signs",
        () if has("CERTIFICATE") => "is a certificate: the private key that belongs to it signs",
        () => "is neither PEM nor a JWK: expected -----BEGIN PRIVATE KEY----- or a JSON object with kty",
    };
    what.to_owned()
}
