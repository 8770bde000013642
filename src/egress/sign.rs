//! Signature Version 4 in the `Authorization` header.
//!
//! Signed is every header that is text and reaches the service as it is sent, as AWS SDKs do; left out is what something
//! in between may change. Most services hash the body with the rest. S3 takes `UNSIGNED-PAYLOAD`, so its bodies stream; where the
//! client announces a hash of its own, or chunks that are not signed (`x-amz-content-sha256`), S3 is told so. S3 resolves the escapes
//! of the path and escapes it anew, so that is what is signed for it; every other service resolves the dot segments and escapes
//! what was sent once more.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ring::digest::{SHA256, digest};
use secrecy::ExposeSecret as _;

use crate::http::reply::Trouble;
use crate::source::AwsCredentials;

const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// Chunks with a checksum behind them, as SDKs without credentials upload to S3.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// What belongs to a signature and is written here; a client's own would be part of the wrong one.
const OF_A_SIGNATURE: [HeaderName; 3] =
    [CONTENT_HASH, HeaderName::from_static("x-amz-date"), HeaderName::from_static("x-amz-security-token")];
/// What something on the way may change, besides what the library leaves out (`User-Agent` and the like).
const LEFT_OUT: [&str; 5] = ["accept-encoding", "cache-control", "forwarded", "max-forwards", "pragma"];

/// What a signature is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The NAME of `credentials.NAME` that sign.
    pub credentials: String,
    /// The service.
    pub service: String,
    /// Its region.
    pub region: String,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signature of credentials.{} for {} in {}", self.credentials, self.service, self.region)
    }
}

impl Signature {
    /// Does the service take bodies unsigned and paths as they are?
    pub fn is_for_s3(&self) -> bool {
        matches!(&*self.service, "s3" | "s3-object-lambda" | "s3-outposts")
    }

    /// Signs `head` with `credentials`; `payload` stands for the body. The wall clock shows `wall`.
    ///
    /// # Errors
    /// If the head cannot be signed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the signer takes plain text; nothing of it leaves but the signature"
    )]
    pub fn sign(
        &self,
        head: &mut Parts,
        payload: &str,
        credentials: &AwsCredentials,
        wall: SystemTime,
    ) -> Result<(), Trouble> {
        OF_A_SIGNATURE.iter().for_each(|name| drop(head.headers.remove(name)));
        let token = credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        let secret = credentials.secret_access_key.expose_secret();
        let identity = Credentials::new(&*credentials.access_key_id, secret, token, None, "credbroker").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(wall)
            .settings(self.settings())
            .build()
            .map_err(|_| unsigned())?
            .into();
        let uri = if self.is_for_s3() { with_key_escaped(&head.uri) } else { head.uri.to_string() };
        let body = SignableBody::Precomputed(payload.to_owned());
        let request = SignableRequest::new(head.method.as_str(), uri, texts(&head.headers).into_iter(), body);
        let (instructions, _) = sign(request.map_err(|_| unsigned())?, &params).map_err(|_| unsigned())?.into_parts();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|_| unsigned())?;
            value.set_sensitive(true);
            head.headers.insert(HeaderName::try_from(name).map_err(|_| unsigned())?, value);
        }
        Ok(())
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.excluded_headers.get_or_insert_default().extend(LEFT_OUT.map(Cow::Borrowed));
        if self.is_for_s3() {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

/// The address as S3 canonicalises it: the escapes of the path resolved, then all escaped but what RFC 3986 reserves for nothing.
fn with_key_escaped(uri: &Uri) -> String {
    let mut text = format!("https://{}", uri.authority().map_or("", |authority| authority.as_str()));
    for byte in resolved(uri.path().as_bytes()) {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    if let Some(query) = uri.query() {
        let _ = write!(text, "?{query}");
    }
    text
}

fn resolved(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path);
    while let [first, more @ ..] = rest {
        let escaped = match more {
            [high, low, after @ ..] if *first == b'%' => digit(*high).zip(digit(*low)).zip(Some(after)),
            _ => None,
        };
        let (byte, after) = escaped.map_or((*first, more), |((high, low), after)| (high * 16 + low, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn unsigned() -> Trouble {
    Trouble::BadRequest("the request cannot be signed: its head holds what a signature does not cover")
}

/// The headers of which every value is text.
fn texts(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let text = |value: &'_ HeaderValue| std::str::from_utf8(value.as_bytes()).is_ok();
    let whole = |name: &HeaderName| headers.get_all(name).iter().all(text);
    let all = headers.iter().filter(|(name, _)| whole(name));
    all.filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?))).collect()
}

/// The hash of a body, as signatures have it.
pub fn hash(body: &[u8]) -> String {
    digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands for a body that goes to S3: what the client says of it, if that holds without a signature of its own.
///
/// # Errors
/// If the client has signed the body piece by piece, with a key that S3 would not ask about.
pub fn announced(headers: &HeaderMap) -> Result<String, Trouble> {
    let Some(said) = headers.get(CONTENT_HASH) else { return Ok(UNSIGNED.to_owned()) };
    let said = said.to_str().unwrap_or_default();
    let is_hash = said.len() == 64 && said.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hash || said == UNSIGNED || said == UNSIGNED_CHUNKS {
        return Ok(said.to_owned());
    }
    Err(Trouble::BadRequest(
        "x-amz-content-sha256 says that the body is signed piece by piece; let the client send requests unsigned",
    ))
}

/// Spells a plus sign in the query as what forms mean by it: signers differ about `+`, and none about `%20`.
pub fn spell_plus(uri: &mut Uri) -> Result<(), Trouble> {
    let Some((path, query)) = uri.query().map(|query| (uri.path(), query)).filter(|(_, query)| query.contains('+'))
    else {
        return Ok(());
    };
    let spelled = format!("{path}?{}", query.replace('+', "%20"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(spelled.parse().map_err(|_| unsigned())?);
    *uri = Uri::from_parts(parts).map_err(|_| unsigned())?;
    Ok(())
}

/// Refuses a query whose escapes are no UTF-8: the signer would sign something else than is sent.
pub fn is_signable(uri: &Uri) -> Result<(), Trouble> {
    if String::from_utf8(resolved(uri.query().unwrap_or_default().as_bytes())).is_err() {
        return Err(Trouble::NotForwardable(
            "the query holds escapes that are not UTF-8, and such a one is not signed",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_key_of_s3_is_escaped_once_however_it_came() {
        for (sent, signed) in [
            ("/b/test$file.text", "/b/test%24file.text"),
            ("/b/test%24file%2etext", "/b/test%24file.text"),
            ("/b//a/../\u{fc}%C3%bc?a=$", "/b//a/../%C3%BC%C3%BC?a=$"),
            ("/b/100%/%zz", "/b/100%25/%25zz"),
        ] {
            let uri: Uri = format!("http://127.0.0.1:81{}", sent).parse().unwrap();
            assert_eq!(with_key_escaped(&uri), format!("https://127.0.0.1:81{signed}"), "{sent}");
        }
    }

    #[test]
    fn escapes_of_a_query_are_utf8() {
        for (query, is_good) in [
            ("a=%C3%BC&%E2%82%AC=\u{fc}", true),
            ("a=%zz%", true),
            ("a=%c3%28", false),
            ("%ff", false),
            ("a=%c3&b=%bc", false),
        ] {
            let uri: Uri = format!("https://x/%ff?{query}").parse().unwrap();
            assert_eq!(is_signable(&uri).is_ok(), is_good, "{query}");
        }
    }

    #[test]
    fn a_plus_in_the_query_is_spelled_as_a_space() {
        let spelled = |text: &str| {
            let mut uri: Uri = text.parse().unwrap();
            spell_plus(&mut uri).unwrap();
            uri.to_string()
        };
        assert_eq!(spelled("https://x/a+b?c=d+e+&f"), "https://x/a+b?c=d%20e%20&f");
        assert_eq!(spelled("https://x/a+b?c=%2B"), "https://x/a+b?c=%2B");
    }

    #[test]
    fn nothing_secret_of_the_signer_shows() {
        let credentials = AwsCredentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "a-secret-key".to_owned().into(),
            session_token: Some("a-session-token".to_owned().into()),
            account_id: None,
            role_arn: None,
        };
        let signature =
            Signature { credentials: "x".into(), service: "execute-api".into(), region: "eu-west-1".into() };
        let mut head = Request::get("https://billing.example.com/").body(()).unwrap().into_parts().0;
        signature.sign(&mut head, &hash(b""), &credentials, std::time::UNIX_EPOCH).unwrap();
        assert_eq!(head.headers["x-amz-security-token"], "a-session-token");
        let shown = format!("{head:?}");
        assert!(!shown.contains("a-session-token") && !shown.contains("AKIDEXAMPLE"), "{shown}");
    }
}
