//! The row of a lease.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Left, Surroundings, moment, since_boot};
use crate::clock::Moment;
use crate::lease::{Issued, Lease, RequestId};
use crate::refresh::Carried;
use crate::source::key_set::KeySet;
use crate::source::{Ask, AwsCredentials, BearerToken};

/// No source gives anything that lives longer, with an hour for the clocks.
const LONGEST_LIFE: Duration = Duration::from_secs(25 * 60 * 60);

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

/// Moments are nanoseconds since the boot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
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
    /// As its issuer would publish it.
    Keys(serde_json::Value),
}

/// The rows of the leases in `left`; those of entries without a definition are left out.
pub fn rows(left: &Left, surroundings: &Surroundings) -> Vec<Written> {
    let tokens = left.held.tokens.iter().filter_map(|carried| {
        let BearerToken { token, scope } = &*carried.lease.value;
        let value = Value::Token { token: Secret(token.clone()), scope: scope.clone() };
        written(carried, surroundings, value)
    });
    let credentials = left.held.credentials.iter().filter_map(|carried| {
        let value = &carried.lease.value;
        let value = Value::Credentials {
            access_key_id: value.access_key_id.clone(),
            secret_access_key: Secret(value.secret_access_key.clone()),
            session_token: value.session_token.clone().map(Secret),
            account_id: value.account_id.clone(),
            role_arn: value.role_arn.clone(),
        };
        written(carried, surroundings, value)
    });
    let key_sets = left.key_sets.iter().filter_map(|carried| {
        let value = Value::Keys(carried.lease.value.jwks());
        written(carried, surroundings, value)
    });
    tokens.chain(credentials).chain(key_sets).collect()
}

fn written<T>(carried: &Carried<T>, surroundings: &Surroundings, value: Value) -> Option<Written> {
    let Carried { name, ask, asked, planned_by, lease } = carried;
    Some(Written {
        name: name.clone(),
        definition: surroundings.definitions.get(name)?.clone(),
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
    })
}

impl Written {
    /// Is it narrower than what its entry holds for everybody, or for one caller alone?
    pub fn is_variation(&self) -> bool {
        self.caller.is_some() || self.scopes.is_some()
    }

    /// Is it of an entry that is still the same, with a life that a source could have given before `at`, and that is not over `now`?
    pub fn is_good(&self, surroundings: &Surroundings, at: u64, now: u64) -> bool {
        let life = Duration::from_nanos(self.expiry.saturating_sub(self.issued_at));
        surroundings.is_defined(&self.name, &self.definition)
            && self.issued_at <= at
            && (self.issued_at..=self.expiry).contains(&self.refresh_due)
            && now < self.expiry
            && life <= LONGEST_LIFE
    }

    /// Adds it to what is `left`, unless it holds keys that are none.
    pub fn into_left(self, left: &mut Left, now: Moment) {
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
                left.held.tokens.push(Carried { name, ask, asked, planned_by, lease });
            }
            Value::Credentials { access_key_id, secret_access_key, session_token, account_id, role_arn } => {
                let session_token = session_token.map(|token| token.0);
                let secret_access_key = secret_access_key.0;
                let value = AwsCredentials { access_key_id, secret_access_key, session_token, account_id, role_arn };
                left.held.credentials.push(Carried { name, ask, asked, planned_by, lease: Arc::new(life.of(value)) });
            }
            Value::Keys(keys) => {
                // Read as what an issuer answers is.
                let keys = KeySet::read(keys.to_string().as_bytes());
                let carried = |keys| Carried { name, ask, asked, planned_by, lease: Arc::new(life.of(keys)) };
                left.key_sets.extend(keys.ok().map(carried));
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
