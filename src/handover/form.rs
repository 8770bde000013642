//! How leases are written for the next process, and what has to hold of them when they are read.
//!
//! A line with the version, the SHA-256 of the rest, and JSON. It comes from where only root could have put something else, and
//! is believed no more for that: what is not whole, not ours, of another version or of another boot is left alone, and so is
//! every lease whose entry is configured otherwise now, that has expired, or whose life is none that a source could have given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::lease::{Issued, Lease, RequestId};
use crate::refresh::{Carried, Held};
use crate::secret::sha256;
use crate::source::{Ask, AwsCredentials, BearerToken};

/// Before the version, in every version.
const OURS: &[u8] = b"credbroker leases ";
/// The version that is written, and the only one that is read. It is another one wherever the form is, and where what an entry
/// obtains for the same configuration is not what it was: nothing else tells one version of credbroker from another.
const VERSION: &[u8] = b"2\n";
/// The length of the SHA-256.
const DIGEST: usize = 32;
/// What is larger is not read, in bytes.
pub const LARGEST: usize = 8 * 1024 * 1024;
/// No source gives anything that lives longer, with an hour for the clocks.
const LONGEST_LIFE: Duration = Duration::from_secs(25 * 60 * 60);

/// The fingerprint of each entry's definition, by the full name of the entry.
pub type Definitions = BTreeMap<String, String>;

/// What leases are written in and read in.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The id of the machine's boot: moments of another one mean nothing.
    pub boot: String,
    /// How each entry is configured.
    pub definitions: Definitions,
}

/// Leases that were read.
#[derive(Debug, Default)]
pub struct Read {
    /// Those that can be used.
    pub held: Held,
    /// How many cannot.
    pub left_out: usize,
    /// When they were written.
    pub at: Option<Moment>,
}

/// Why nothing of it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It could have been changed since it was written.
    #[error("it is not sealed")]
    Unsealed,
    /// Nothing of ours is that large.
    #[error("it is larger than {} MiB", LARGEST / 1024 / 1024)]
    TooLarge,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    /// Something else.
    #[error("it does not hold leases of credbroker")]
    Foreign,
    /// Of another version of the form.
    #[error("it was written in another form, by another version of credbroker")]
    OtherVersion,
    /// Not as it was written.
    #[error("it is not whole")]
    Broken,
    /// Its moments mean nothing here.
    #[error("it was written before the machine was started")]
    OtherBoot,
    /// Its moments cannot be.
    #[error("it was written later than now")]
    Later,
}

/// A secret that is written out.
struct Secret(SecretString);

impl Serialize for Secret {
    #[expect(clippy::disallowed_methods, reason = "it goes into sealed memory for the next process of the same unit")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    boot: String,
    at: u64,
    leases: Vec<Written>,
}

/// Moments are nanoseconds since the boot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    definition: String,
    caller: Option<String>,
    scopes: Option<Vec<String>>,
    asked: bool,
    planned_by: String,
    issued_at: u64,
    refresh_due: u64,
    expiry: u64,
    obtained_with: Option<String>,
    scopes_missing: Vec<String>,
    request_id: Option<String>,
    value: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Value {
    Token {
        token: Secret,
        scope: Option<String>,
    },
    Credentials {
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Option<Secret>,
        account_id: Option<String>,
        role_arn: Option<String>,
    },
}

/// `held` as it is written `now`; leases of entries without a definition are left out.
pub fn write(held: &Held, surroundings: &Surroundings, now: Moment) -> Zeroizing<Vec<u8>> {
    let definition = |name: &str| surroundings.definitions.get(name).cloned();
    let tokens = held.tokens.iter().filter_map(|carried| {
        let BearerToken { token, scope } = &*carried.lease.value;
        let value = Value::Token { token: Secret(token.clone()), scope: scope.clone() };
        Some(written(carried, definition(&carried.name)?, value))
    });
    let credentials = held.credentials.iter().filter_map(|carried| {
        let value = &carried.lease.value;
        let value = Value::Credentials {
            access_key_id: value.access_key_id.clone(),
            secret_access_key: Secret(value.secret_access_key.clone()),
            session_token: value.session_token.clone().map(Secret),
            account_id: value.account_id.clone(),
            role_arn: value.role_arn.clone(),
        };
        Some(written(carried, definition(&carried.name)?, value))
    });
    let leases = tokens.chain(credentials).collect();
    let document = Document { boot: surroundings.boot.clone(), at: since_boot(now), leases };
    // Strings, numbers and lists always have a form in JSON.
    let body = Zeroizing::new(serde_json::to_vec(&document).unwrap_or_default());
    Zeroizing::new([OURS, VERSION, &sha256([&body]), &body].concat())
}

fn written<T>(carried: &Carried<T>, definition: String, value: Value) -> Written {
    let Carried { name, ask, asked, planned_by, lease } = carried;
    Written {
        name: name.clone(),
        definition,
        caller: ask.caller.clone(),
        scopes: ask.scopes.clone(),
        asked: *asked,
        planned_by: planned_by.clone(),
        issued_at: since_boot(lease.issued_at),
        refresh_due: since_boot(lease.refresh_due),
        expiry: since_boot(lease.expiry),
        obtained_with: lease.obtained_with.as_deref().map(ToOwned::to_owned),
        scopes_missing: lease.scopes_missing.clone(),
        request_id: lease.request_id.as_ref().map(|id| id.as_str().to_owned()),
        value,
    }
}

/// What of `bytes` can be used `now`.
///
/// # Errors
/// [`Unfit`] if nothing can.
pub fn read(bytes: &[u8], surroundings: &Surroundings, now: Moment) -> Result<Read, Unfit> {
    let document = document(bytes)?;
    if document.boot != surroundings.boot {
        return Err(Unfit::OtherBoot);
    }
    if document.at > since_boot(now) {
        return Err(Unfit::Later);
    }
    let mut read = Read { at: Some(moment(document.at, now)), ..Read::default() };
    for written in document.leases {
        let is_same = surroundings.definitions.get(&written.name) == Some(&written.definition);
        if is_same && written.could_be(document.at, since_boot(now)) {
            written.into_held(&mut read.held, now);
        } else {
            read.left_out += 1;
        }
    }
    Ok(read)
}

fn document(bytes: &[u8]) -> Result<Document, Unfit> {
    if bytes.len() > LARGEST {
        return Err(Unfit::TooLarge);
    }
    let versioned = bytes.strip_prefix(OURS).ok_or(Unfit::Foreign)?;
    let rest = versioned.strip_prefix(VERSION).ok_or(Unfit::OtherVersion)?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or(Unfit::Broken)?;
    if sha256([body]) != digest {
        return Err(Unfit::Broken);
    }
    serde_json::from_slice(body).map_err(|_| Unfit::Broken)
}

impl Written {
    /// Is it a life that a source could have given before `at`, and not over `now`?
    fn could_be(&self, at: u64, now: u64) -> bool {
        let life = Duration::from_nanos(self.expiry.saturating_sub(self.issued_at));
        self.issued_at <= at
            && (self.issued_at..=self.expiry).contains(&self.refresh_due)
            && now < self.expiry
            && life <= LONGEST_LIFE
    }

    fn into_held(self, held: &mut Held, now: Moment) {
        let ask = Ask { caller: self.caller, scopes: self.scopes, subject: None };
        let life = Life {
            issued_at: moment(self.issued_at, now),
            refresh_due: moment(self.refresh_due, now),
            expiry: moment(self.expiry, now),
            obtained_with: self.obtained_with.map(Arc::from),
            scopes_missing: self.scopes_missing,
            request_id: self.request_id.as_deref().and_then(RequestId::of),
        };
        let (name, asked, planned_by) = (self.name, self.asked, self.planned_by);
        match self.value {
            Value::Token { token, scope } => {
                let lease = Arc::new(life.of(BearerToken { token: token.0, scope }));
                held.tokens.push(Carried { name, ask, asked, planned_by, lease });
            }
            Value::Credentials { access_key_id, secret_access_key, session_token, account_id, role_arn } => {
                let session_token = session_token.map(|token| token.0);
                let secret_access_key = secret_access_key.0;
                let value = AwsCredentials { access_key_id, secret_access_key, session_token, account_id, role_arn };
                held.credentials.push(Carried { name, ask, asked, planned_by, lease: Arc::new(life.of(value)) });
            }
        }
    }
}

/// A lease but for its value.
struct Life {
    issued_at: Moment,
    refresh_due: Moment,
    expiry: Moment,
    obtained_with: Option<Arc<str>>,
    scopes_missing: Vec<String>,
    request_id: Option<RequestId>,
}

impl Life {
    fn of<T>(self, value: T) -> Lease<T> {
        let mut issued = Issued::new(value, self.issued_at, self.expiry);
        (issued.obtained_with, issued.scopes_missing) = (self.obtained_with, self.scopes_missing);
        issued.request_id = self.request_id;
        Lease::new(issued, self.refresh_due)
    }
}

/// The machine's boot, on the clock of `moment`.
fn boot(moment: Moment) -> Moment {
    moment.minus(Duration::MAX)
}

fn since_boot(moment: Moment) -> u64 {
    u64::try_from(moment.since(boot(moment)).as_nanos()).unwrap_or(u64::MAX)
}

fn moment(since_boot: u64, now: Moment) -> Moment {
    boot(now).plus(Duration::from_nanos(since_boot))
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
