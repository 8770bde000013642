//! The rotation of a Cognito app client's secret, with no gap, safe to interrupt at every step and safe to run twice.
//!
//! | step | effect | what is on disk |
//! |---|---|---|
//! | try | a token is got with the secret that is in `FILE` | |
//! | stage | a secret is made here | `FILE.rotation`: ids and a fingerprint; then `FILE.next`: the new secret |
//! | add | `AddUserPoolClientSecret` with it: from now on Cognito accepts both | its id is noted |
//! | prove | a token is got with what `FILE.next` holds, by the token's own source | |
//! | install | `FILE.next` takes the place of `FILE` | `FILE` holds the new secret |
//! | prove | a token is got with what `FILE` holds | |
//! | delete | `DeleteUserPoolClientSecret` of the old one | |
//! | finish | | `FILE.rotation` is removed |
//!
//! The new secret is written before Cognito knows it, so that none is ever accepted there whose value is lost; and it is proved before
//! it is put in place rather than after, so that an interrupted rotation never leaves one in the file that has not been seen to
//! work. The module `next` decides from what Cognito lists and what the files hold, and nothing is remembered between runs but the note: a
//! run that finds one goes on where the last one stopped. The old secret is deleted only by a run that has itself got a token with what
//! the file then holds, after one with what waited: not every server of Cognito learns of a new secret at once. If the new secret gets no
//! token for good, or cannot be put in place, it is taken back and the file was never touched.

pub mod app_client;
pub mod files;
mod form;
mod lock;
mod next;
mod words;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use zeroize::Zeroizing;

use app_client::{AppClient, Listed};
use files::Files;
use next::{Holder, Record, Seen, Step, next};

use crate::clock::Clock;
use crate::secret;
use crate::source::{Ask, BearerToken, Failure, Source};

/// Characters of a new secret. Cognito takes 24 to 64.
const LENGTH: usize = 48;
/// For so long a new secret may be refused before that counts: not every server of Cognito learns of it at once.
const PROOF: Duration = Duration::from_secs(15);
/// The first pause between two proofs; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// No way through the steps is longer.
const MOST_STEPS: usize = 16;

/// One token's secret, about to be rotated.
pub struct Rotation {
    /// The token: `tokens.NAME`.
    pub token: String,
    /// Where its secret is.
    pub files: Files,
    /// Whose secret it is.
    pub app_client: AppClient,
    /// The token's source, with the secret that waits.
    pub with_next: Arc<dyn Source<BearerToken>>,
    /// The token's source, with the secret in its file.
    pub with_file: Arc<dyn Source<BearerToken>>,
    /// The time.
    pub clock: Clock,
}

/// Why a rotation stopped, in what state, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{token}: {step}: {cause}. {state}")]
pub struct Stopped {
    token: String,
    step: &'static str,
    cause: String,
    state: String,
}

/// What this run knows by itself.
struct Known {
    listed: Vec<Listed>,
    /// Has it changed anything?
    touched: bool,
    tried: bool,
    proved: Option<Holder>,
}

impl Rotation {
    /// Goes through the steps that are left, and tells each that is done.
    ///
    /// # Errors
    /// [`Stopped`] names the step that failed. A working secret is in the file then, and running it again goes on.
    pub async fn run(&self, mut say: impl FnMut(&str)) -> Result<(), Stopped> {
        let listed = self.app_client.secrets().await;
        let listed = listed.map_err(|cause| self.stopped("listing the secrets", &cause, None))?;
        let mut known = Known { listed, touched: false, tried: false, proved: None };
        if self.see(&known)?.record.is_some() {
            say(&format!("going on with a rotation that was interrupted ({})", self.files.record.display()));
        }
        for _ in 0..MOST_STEPS {
            let seen = self.see(&known)?;
            let step = next(&seen, &self.app_client.config().client_id);
            let step = step.map_err(|refusal| self.refused(&refusal, &known))?;
            say(&self.carry_out(&step, seen, &mut known).await?);
            if step == Step::Finish {
                return Ok(());
            }
        }
        let cause = "it comes to no end; this is a mistake of credbroker, please report it";
        Err(self.stopped("rotating", &cause, Some(&known)))
    }

    fn see(&self, known: &Known) -> Result<Seen, Stopped> {
        self.look(known).map_err(|cause| self.stopped("reading the files", &cause, Some(known)))
    }

    fn look(&self, known: &Known) -> Result<Seen, files::Trouble> {
        Ok(Seen {
            listed: known.listed.iter().map(|secret| secret.id.clone()).collect(),
            record: self.files.noted()?,
            file: Some(self.files.installed()?),
            next: self.files.waiting()?,
            tried: known.tried,
            proved: known.proved,
        })
    }

    /// Takes one step, and says what was done.
    async fn carry_out(&self, step: &Step, seen: Seen, known: &mut Known) -> Result<String, Stopped> {
        known.touched |= !matches!(step, Step::Try | Step::Stage(_) | Step::Prove(_));
        match step {
            Step::Try => self.try_old(known).await,
            Step::Stage(old) => self.stage(old, known),
            Step::Add(holder) => self.add(*holder, seen, known).await,
            Step::Prove(holder) => self.prove(*holder, &seen, known).await,
            Step::Install => self.install(&seen, known).await,
            Step::DeleteOld(id) => self.delete("deleting the old secret", id, known).await,
            Step::DeleteLost(id) => self.delete("deleting a secret whose value is lost", id, known).await,
            Step::Finish => self.finish(),
        }
    }

    /// Once: nothing has changed yet that some server of Cognito might not know.
    async fn try_old(&self, known: &mut Known) -> Result<String, Stopped> {
        self.with_file.fetch(&Ask::default()).await.map_err(|cause| self.untried(&cause))?;
        known.tried = true;
        Ok(format!("got a token with the secret in {}", self.files.file.display()))
    }

    fn stage(&self, old: &str, known: &mut Known) -> Result<String, Stopped> {
        let failed = |cause: &dyn std::fmt::Display| self.stopped("writing a new secret", cause, Some(known));
        let secret = new_secret().ok_or_else(|| failed(&"the system gives no random numbers"))?;
        let client_id = self.app_client.config().client_id.clone();
        let record = Record { client_id, old: old.to_owned(), new: None, fingerprint: files::fingerprint(&secret) };
        self.hold(&record, Some(&secret)).map_err(|cause| failed(&cause))?;
        known.touched = true;
        Ok(format!("wrote a new secret to {}", self.files.next.display()))
    }

    async fn add(&self, holder: Holder, seen: Seen, known: &mut Known) -> Result<String, Stopped> {
        let added = self.added(holder, seen, known).await;
        added.map_err(|cause| self.stopped("adding the new secret", &cause, Some(known)))
    }

    async fn added(&self, holder: Holder, seen: Seen, known: &mut Known) -> Result<String, Box<dyn Error>> {
        let secret = secret::read_file(self.place(holder))?;
        let mut record = seen.record.ok_or("the note is gone")?;
        // The id of an earlier one would make this one seem somebody else's if the answer were lost.
        if record.new.take().is_some() {
            self.hold(&record, None)?;
        }
        let added = self.app_client.add(&secret).await?;
        known.listed.push(Listed { id: added.id.clone(), created: None });
        record.new = Some(added.id.clone());
        record.fingerprint = files::fingerprint(added.value.as_ref().unwrap_or(&secret));
        self.hold(&record, added.value.as_ref())?;
        Ok(format!("added it to app client {} as {}", record.client_id, added.id))
    }

    /// The note, and then the secret that it is about.
    fn hold(&self, record: &Record, secret: Option<&SecretString>) -> Result<(), files::Trouble> {
        self.files.note(record)?;
        secret.map_or(Ok(()), |secret| self.files.put_beside(secret))
    }

    /// A new secret that is refused for good is taken back, where nothing depends on it; another failure may pass.
    async fn prove(&self, holder: Holder, seen: &Seen, known: &mut Known) -> Result<String, Stopped> {
        const STEP: &str = "getting a token with the new secret";
        let Err(cause) = self.token_with(holder).await else {
            known.proved = Some(holder);
            return Ok(format!("got a token with what {} holds", self.place(holder).display()));
        };
        Err(match seen.withdrawable() {
            Some(new) if cause.kind.is_terminal() => self.withdraw(STEP, cause.to_string(), new, known).await,
            _ => self.stopped(STEP, &cause, Some(known)),
        })
    }

    async fn token_with(&self, holder: Holder) -> Result<(), Failure> {
        let source = match holder {
            Holder::Next => &self.with_next,
            Holder::File => &self.with_file,
        };
        let (deadline, mut pause) = (self.clock.now().plus(PROOF), PAUSE);
        loop {
            let Err(failure) = source.fetch(&Ask::default()).await else { return Ok(()) };
            let again = self.clock.now().plus(failure.retry_after.unwrap_or(pause).max(pause));
            let lasting = failure.kind.is_terminal() && !failure.secret_refused;
            if lasting || again >= deadline {
                return Err(failure);
            }
            self.clock.sleep_until(again).await;
            pause *= 2;
        }
    }

    /// One that cannot be put in place is taken back: running it again would meet the same obstacle, with two secrets at Cognito.
    async fn install(&self, seen: &Seen, known: &mut Known) -> Result<String, Stopped> {
        const STEP: &str = "putting the new secret in its place";
        let Err(cause) = self.put_in_place(seen) else {
            return Ok(format!("put it in place: {}", self.files.file.display()));
        };
        let cause = cause.to_string();
        let now = self.look(known).ok();
        Err(match now.as_ref().and_then(Seen::withdrawable) {
            Some(new) => self.withdraw(STEP, cause, new, known).await,
            None => self.stopped(STEP, &cause, Some(known)),
        })
    }

    fn put_in_place(&self, seen: &Seen) -> Result<(), Box<dyn Error>> {
        self.files.install()?;
        let now = self.files.installed()?;
        let new = seen.record.as_ref().map(|record| &record.fingerprint);
        if new == Some(&now) { Ok(()) } else { Err("the file does not hold it afterwards".into()) }
    }

    async fn withdraw(&self, step: &'static str, cause: String, new: &str, known: &mut Known) -> Stopped {
        if let Err(failure) = self.app_client.delete(new).await {
            let both = format!("{cause}; nor could the new secret be taken back: {failure}");
            return self.stopped(step, &both, Some(known));
        }
        known.listed.retain(|secret| secret.id != new);
        let cleared = self.files.clear();
        self.withdrawn(step, &cause, cleared.err().as_ref())
    }

    async fn delete(&self, step: &'static str, id: &str, known: &mut Known) -> Result<String, Stopped> {
        self.app_client.delete(id).await.map_err(|cause| self.stopped(step, &cause, Some(known)))?;
        known.listed.retain(|secret| secret.id != id);
        Ok(format!("deleted {id} at Cognito"))
    }

    fn finish(&self) -> Result<String, Stopped> {
        self.files.clear().map_err(|cause| self.unfinished(&cause))?;
        Ok(format!("done: {} holds the only secret", self.files.file.display()))
    }

    fn place(&self, holder: Holder) -> &std::path::Path {
        match holder {
            Holder::Next => &self.files.next,
            Holder::File => &self.files.file,
        }
    }
}

/// Letters and digits: what HTTP Basic carries unchanged whether or not a server decodes it.
fn new_secret() -> Option<SecretString> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = SystemRandom::new();
    let mut secret = Zeroizing::new(String::with_capacity(LENGTH));
    let mut bytes = Zeroizing::new([0; 64]);
    while secret.len() < LENGTH {
        random.fill(bytes.as_mut()).ok()?;
        // 248 is the last multiple of 62 in a byte: beyond it some characters would be likelier than others.
        let even = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62]));
        let missing = LENGTH - secret.len();
        secret.extend(even.take(missing));
    }
    Some(SecretString::from(secret.as_str()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the secrets they made")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_new_secret_is_one_that_cognito_takes_and_never_the_same() {
        let secrets: std::collections::BTreeSet<String> =
            (0..100).map(|_| new_secret().unwrap().expose_secret().to_owned()).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.len() == 48 && secret.bytes().all(|b| b.is_ascii_alphanumeric())));
    }
}
