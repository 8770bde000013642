//! The process environment as a value: read once in `main`, passed to whoever needs it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// The environment variables the process was started with. Any of them may hold a secret, so Debug names none.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's own environment. Variables that are not UTF-8 are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// The value of `name`, unless unset or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Is `name` set, even if to nothing? Some programs of others take that for a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of `name` as a secret; an empty value counts as unset.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.var(name).map(SecretString::from)
    }

    /// The AWS region, by the variables that SDKs read.
    pub fn region(&self) -> Option<&str> {
        ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| self.var(name))
    }

    /// systemd's `$CREDENTIALS_DIRECTORY` (systemd.exec(5)), where `LoadCredential=` puts its files.
    pub fn credentials_directory(&self) -> Option<PathBuf> {
        self.var("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}
