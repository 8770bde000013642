//! Where secrets are read from.
//!
//! A secret is read when it is needed, never kept, so that a replaced file takes effect at the next upstream request.

mod readings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::environment::Environment;
use crate::file;
use readings::READINGS;

/// No secret is longer than this, in bytes; a larger file is a mistake in the path.
const LONGEST: usize = 64 * 1024;

/// Where one secret is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In an environment variable of the daemon.
    Env(String),
    /// In a systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "variable {name}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
        }
    }
}

/// Why a secret could not be read. Names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file is missing, unreadable or not a plain file.
    #[error("the file {path} {cause}; check that it exists and that the daemon's user may read it")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: file::Unreadable,
    },
    /// Not a text, empty, or too long.
    #[error("{place} {fault}")]
    Content {
        /// The place it was read from.
        place: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set or is empty; set it for the daemon")]
    Unset(String),
    /// systemd passed no credentials.
    #[error(
        "the systemd credential {0:?} cannot be read: $CREDENTIALS_DIRECTORY is not set; add LoadCredential={0}:… to the unit"
    )]
    NoCredentials(String),
    /// The file system does not answer, or another reader has been waiting for it.
    #[error("the {0} cannot be read in time; check the file system it is on")]
    Hanging(String),
}

impl Unreadable {
    /// Is it the machine's trouble of the moment, rather than something about the file?
    pub fn is_passing(&self) -> bool {
        match self {
            Self::File { cause, .. } => cause.is_passing(),
            Self::Hanging(_) => true,
            Self::Content { .. } | Self::Unset(_) | Self::NoCredentials(_) => false,
        }
    }
}

impl Secret {
    /// Reads the secret now, beside the runtime.
    ///
    /// # Errors
    /// [`Unreadable`] names the place and the remedy.
    pub async fn obtain(&self, environment: &Arc<Environment>) -> Result<SecretString, Unreadable> {
        let (secret, environment) = (self.clone(), Arc::clone(environment));
        READINGS.read(self, move || secret.read(&environment)).await
    }

    /// Reads the secret now. One trailing newline is dropped.
    ///
    /// # Errors
    /// [`Unreadable`] names the place and the remedy.
    pub fn read(&self, environment: &Environment) -> Result<SecretString, Unreadable> {
        match self {
            Self::File(path) => read_file(path),
            Self::Env(name) => environment.secret(name).ok_or_else(|| Unreadable::Unset(name.clone())),
            Self::Credential(name) => {
                let directory =
                    environment.credentials_directory().ok_or_else(|| Unreadable::NoCredentials(name.clone()))?;
                read_file(&directory.join(name))
            }
        }
    }
}

/// The SHA-256 of something secret, of which nothing stays behind: ring leaves up to 64 bytes of it on the stack.
pub fn sha256<const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    // Where it stands: what is moved leaves a copy.
    hash.finalize_reset().into()
}

/// Reads one secret from a plain file. One trailing newline is dropped.
///
/// # Errors
/// [`Unreadable::File`] or [`Unreadable::Content`].
pub fn read_file(path: &Path) -> Result<SecretString, Unreadable> {
    let bytes = file::read(path, LONGEST).map_err(|cause| Unreadable::File { path: path.to_owned(), cause })?;
    let content = |fault| Unreadable::Content { place: format!("the file {}", path.display()), fault };
    let text = std::str::from_utf8(&bytes).map_err(|_| content("is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(content("is empty"));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the secrets they planted")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn file_with(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn one_trailing_newline_is_dropped_and_no_more() {
        let (_dir, path) = file_with(b"hunter2\n\n");
        let secret = Secret::File(path).read(&Environment::default()).unwrap();
        assert_eq!(secret.expose_secret(), "hunter2\n");
    }

    #[test]
    fn a_replaced_file_is_seen_at_the_next_read() {
        let (_dir, path) = file_with(b"old");
        let secret = Secret::File(path.clone());
        assert_eq!(secret.read(&Environment::default()).unwrap().expose_secret(), "old");
        std::fs::write(path, b"new").unwrap();
        assert_eq!(secret.read(&Environment::default()).unwrap().expose_secret(), "new");
    }

    #[test]
    fn a_systemd_credential_is_a_file_of_the_credentials_directory() {
        let (dir, _) = file_with(b"from systemd");
        let environment = Environment::from([("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]);
        let secret = Secret::Credential("secret".into());
        assert_eq!(secret.read(&environment).unwrap().expose_secret(), "from systemd");
        let error = secret.read(&Environment::default()).unwrap_err().to_string();
        assert!(error.contains("LoadCredential=secret"), "{error}");
    }

    #[test]
    fn an_unset_variable_is_named() {
        let secret = Secret::Env("PARTNER_SECRET".into());
        let error = secret.read(&Environment::from([("PARTNER_SECRET", "")])).unwrap_err().to_string();
        assert!(error.contains("PARTNER_SECRET"), "{error}");
        let environment = Environment::from([("PARTNER_SECRET", "value")]);
        assert_eq!(secret.read(&environment).unwrap().expose_secret(), "value");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        let long = vec![b'x'; 70_000];
        for (content, fault) in [
            (&b""[..], "is empty"),
            (&b"\n"[..], "is empty"),
            (&b"\xff\xfe"[..], "UTF-8"),
            (&long, "longer than 64 KiB"),
        ] {
            let (_dir, path) = file_with(content);
            let error = read_file(&path).unwrap_err().to_string();
            assert!(error.contains(fault) && !error.contains("xxx"), "{error}");
        }
        assert!(read_file(Path::new("/")).unwrap_err().to_string().contains("not a plain file"));
    }

    #[test]
    fn a_fifo_does_not_hang_the_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_file(&path).unwrap_err().to_string().contains("not a plain file"));
    }
}
