//! The derived key and the signature.

use crate::digest::{hex, hmac_sha256, sha256};

/// The signature of a canonical request; `scope` is `DATE/REGION/SERVICE/aws4_request`.
pub(super) fn signature(secret: &str, scope: &str, date: &str, canonical: &str) -> String {
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
    let start = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(start, |key, part| hmac_sha256(&key, part.as_bytes()).to_vec());
    hex(&hmac_sha256(&key, to_sign.as_bytes()))
}
