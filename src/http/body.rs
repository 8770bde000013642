//! Bodies of requests: read whole, never further than the intake's limit, and wiped afterwards, for they hold tokens. Forms
//! (`application/x-www-form-urlencoded`) and JSON objects of texts are read into the same [`Fields`].

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::intake::LARGEST_BODY;
use super::reply::Trouble;

/// The media type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";
const TWICE: Trouble = Trouble::BadRequest("a parameter stands in the body twice");
/// A body is complete within this: a caller is on this machine.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// The whole body of a request.
#[derive(Clone, Default)]
pub struct Body(Arc<Zeroizing<Vec<u8>>>);

/// The members of a form or of a JSON object, in their order.
pub struct Fields(Vec<(String, SecretString)>);

impl Body {
    /// Reads what comes in.
    ///
    /// # Errors
    /// If it is too large, breaks off, or takes too long.
    pub async fn read(incoming: Incoming) -> Result<Self, Trouble> {
        if incoming.is_end_stream() {
            return Ok(Self::default());
        }
        let limit = usize::try_from(LARGEST_BODY).unwrap_or(usize::MAX);
        #[expect(clippy::disallowed_methods, reason = "it is limited right here")]
        let whole = Limited::new(incoming, limit).collect();
        match tokio::time::timeout(BODY_DEADLINE, whole).await {
            Ok(Ok(whole)) => Ok(Self(Arc::new(Zeroizing::new(whole.to_bytes().to_vec())))),
            Ok(Err(cause)) if cause.is::<LengthLimitError>() => Err(Trouble::TooLarge),
            Ok(Err(_)) => Err(Trouble::BadRequest("the body breaks off or is not well formed")),
            Err(_) => Err(Trouble::BadRequest("the body did not arrive in time")),
        }
    }

    /// As it came in.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its members.
    ///
    /// # Errors
    /// If it is neither a form nor a JSON object of texts.
    pub fn fields(&self, headers: &HeaderMap) -> Result<Fields, Trouble> {
        match kind(headers)?.as_str() {
            FORM => Ok(self.form()),
            "application/json" => self.json(),
            _ => Err(Trouble::BadRequest("the Content-Type is application/x-www-form-urlencoded or application/json")),
        }
    }

    /// Its members, where nothing but a form is taken.
    ///
    /// # Errors
    /// If it is no form.
    pub fn form_fields(&self, headers: &HeaderMap) -> Result<Fields, Trouble> {
        match kind(headers)?.as_str() {
            FORM => Ok(self.form()),
            _ => Err(Trouble::BadRequest("the Content-Type is application/x-www-form-urlencoded")),
        }
    }

    fn form(&self) -> Fields {
        let pairs = url::form_urlencoded::parse(&self.0);
        Fields(pairs.map(|(key, value)| (key.into_owned(), SecretString::from(value.into_owned()))).collect())
    }

    fn json(&self) -> Result<Fields, Trouble> {
        let bad = Trouble::BadRequest("the body is a JSON object whose members are texts");
        // The parser's own words may quote the body.
        serde_json::from_slice(&self.0).map_err(|_| bad)
    }
}

/// The media type of a body, in lower case and without parameters.
fn kind(headers: &HeaderMap) -> Result<String, Trouble> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (kind, more) = (kinds.next(), kinds.next());
    if more.is_some() {
        return Err(Trouble::BadRequest("a request has at most one Content-Type"));
    }
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Ok(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

impl Fields {
    /// The member called `key`.
    ///
    /// # Errors
    /// If it stands there twice (RFC 6749 section 3.2).
    pub fn one(&self, key: &str) -> Result<Option<&SecretString>, Trouble> {
        let mut all = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(TWICE),
            (first, None) => Ok(first),
        }
    }

    /// The member called `key`, where an empty one counts as none (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// If it stands there twice.
    pub fn given(&self, key: &str) -> Result<Option<&SecretString>, Trouble> {
        Ok(self.one(key)?.filter(|value| !is_empty(value)))
    }

    /// Every member called `key` that is not empty.
    pub fn every<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a SecretString> {
        self.0.iter().filter(move |(name, value)| name == key && !is_empty(value)).map(|(_, value)| value)
    }

    /// Refuses members that stand there twice, whatever they are, but for `repeatable` ones.
    ///
    /// # Errors
    /// If one does.
    pub fn stand_once(&self, repeatable: &[&str]) -> Result<(), Trouble> {
        let mut seen = HashSet::new();
        let once = self.0.iter().all(|(name, _)| repeatable.contains(&name.as_str()) || seen.insert(name));
        if once { Ok(()) } else { Err(TWICE) }
    }
}

#[expect(clippy::disallowed_methods, reason = "only its length is looked at")]
fn is_empty(value: &SecretString) -> bool {
    value.expose_secret().is_empty()
}

/// Every member of an object of texts, also those that stand there twice.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(member) = object.next_entry()? {
                    fields.push(member);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what they sent")]
mod tests {
    use super::*;

    fn one(kind: &str, body: &str) -> Result<Option<String>, u16> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        let body = Body(Arc::new(Zeroizing::new(body.as_bytes().to_vec())));
        let fields = body.fields(&headers).map_err(|trouble| trouble.status().as_u16())?;
        let value = fields.one("subject_token").map_err(|trouble| trouble.status().as_u16())?;
        Ok(value.map(|value| value.expose_secret().to_owned()))
    }

    #[test]
    fn forms_and_json_are_read_alike() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(one(form, "a=1&subject_token=x%2By"), Ok(Some("x+y".to_owned())));
        assert_eq!(one("Application/JSON", r#"{"subject_token":"x+y"}"#), Ok(Some("x+y".to_owned())));
        assert_eq!(one(form, "other=1"), Ok(None));
    }

    #[test]
    fn what_is_ambiguous_or_something_else_is_refused() {
        assert_eq!(one("application/x-www-form-urlencoded", "subject_token=a&%73ubject_token=b"), Err(400));
        assert_eq!(one("application/json", r#"{"subject_token":"a","\u0073ubject_token":"b"}"#), Err(400));
        for (kind, body) in [
            ("text/plain", "subject_token=a"),
            ("application/json", "[]"),
            ("application/json", r#"{"subject_token":7}"#),
            ("application/json", "{"),
        ] {
            assert_eq!(one(kind, body), Err(400), "{kind} {body}");
        }
    }
}
