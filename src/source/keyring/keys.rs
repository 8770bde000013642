//! One secret, or two of which either may be the live one: which is tried, in which order, and what is remembered of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::refused::{Contents, Refused};
use super::{Keyring, Place, Print};
use crate::clock::Clock;
use crate::lease::Issued;
use crate::source::{Failure, FailureKind};

/// Why a secret got nothing.
enum Fault {
    /// It cannot be read.
    Unread(Failure),
    /// The server says that it is wrong.
    Refused(Failure, Print),
    /// Something that another secret does not mend.
    Other(Failure),
}

/// One secret, or two of which either may be the live one.
pub struct Keys {
    keyring: Keyring,
    places: Vec<Place>,
    beside: Vec<Place>,
    of_user: bool,
    clock: Clock,
    /// The content of the first that was refused while the second was not.
    retired: Mutex<Option<Print>>,
    /// The content that worked last.
    live: Mutex<Option<Print>>,
    refused: Mutex<Option<Refused>>,
}

impl Keys {
    /// The secrets at `places`, to be tried in this order.
    pub fn new(places: Vec<Place>, keyring: Keyring, clock: Clock) -> Self {
        let (retired, live, refused) = Default::default();
        Self { keyring, places, beside: Vec::new(), of_user: false, clock, retired, live, refused }
    }

    /// The same for a user's password (`user_refused`), shown together with the client's secret at one of `places`: when that is
    /// replaced, a refusal may be over too.
    pub fn of_user(self, places: Vec<Place>) -> Self {
        Self { beside: places, of_user: true, ..self }
    }

    /// Makes `attempt` with the secret; where the server refuses it (`secret_refused`), with what has taken its place since, then
    /// with the other one. A first secret that was refused while the second one worked is not tried before the second again
    /// until it is replaced. Where all were refused, that is answered without an attempt until one is replaced or a pause is over.
    /// A secret that is known to work gives way to no other one where something else may be what was refused (`user_refused`).
    ///
    /// # Errors
    /// The failure that says most of what to wait for or to mend, and the other one's words.
    pub async fn attempt<T, F, A>(&self, attempt: F) -> Result<Issued<T>, Failure>
    where
        F: Fn(SecretString) -> A + Sync,
        A: Future<Output = Result<Issued<T>, Failure>> + Send,
        T: Send,
    {
        if let Some(failure) = self.resting().await {
            return Err(failure);
        }
        let beside = self.contents_beside().await;
        let (mut contents, mut failures) = (vec![None; self.places.len()], Vec::new());
        for index in self.order().await {
            let place = &self.places[index];
            match self.attempt_at(place, &attempt).await {
                Ok((issued, used)) => {
                    self.note(index, &used).await;
                    return Ok(self.marked(issued, index));
                }
                Err(Fault::Other(failure)) => return Err(failure),
                Err(Fault::Refused(failure, print)) if self.is_doubtful(&failure) && self.was_live(&print) => {
                    return Err(failure);
                }
                Err(Fault::Refused(failure, print)) => {
                    contents[index] = Some(print);
                    failures.push(failure);
                }
                Err(Fault::Unread(failure)) => failures.push(failure),
            }
        }
        contents.extend(beside);
        Err(self.remembered(contents, joined(failures)))
    }

    async fn attempt_at<T, F, A>(&self, place: &Place, attempt: &F) -> Result<(Issued<T>, SecretString), Fault>
    where
        F: Fn(SecretString) -> A + Sync,
        A: Future<Output = Result<Issued<T>, Failure>> + Send,
        T: Send,
    {
        let (secret, lease) = self.keyring.read(place).await.map_err(Fault::Unread)?;
        match attempt(secret.clone()).await {
            Err(refused) if self.is_refused(&refused) => match self.keyring.replaced(place, &secret, lease).await {
                Some(replaced) => match attempt(replaced.clone()).await {
                    Ok(issued) => Ok((issued, replaced)),
                    Err(failure) => Err(self.fault(failure, &replaced)),
                },
                None => Err(self.fault(refused, &secret)),
            },
            outcome => outcome.map(|issued| (issued, secret)).map_err(Fault::Other),
        }
    }

    fn fault(&self, failure: Failure, secret: &SecretString) -> Fault {
        if self.is_refused(&failure) { Fault::Refused(failure, Print::of(secret)) } else { Fault::Other(failure) }
    }

    fn is_refused(&self, failure: &Failure) -> bool {
        if self.of_user { failure.user_refused } else { failure.secret_refused }
    }

    /// May it be the password or the refresh token shown beside it that was refused?
    fn is_doubtful(&self, failure: &Failure) -> bool {
        !self.of_user && failure.user_refused
    }

    /// Does something else stand on this machine than what was refused when no other secret was left to try?
    pub async fn is_mended(&self) -> bool {
        let Some(contents) = self.refused().as_ref().map(|refused| refused.contents().clone()) else { return false };
        for (place, print) in self.places.iter().chain(&self.beside).zip(&contents) {
            if place.remote().is_none() && self.keyring.holds_another(place, print.as_ref()).await {
                return true;
            }
        }
        false
    }

    /// The refusal of what still stands there, if it is not to be tried again yet.
    async fn resting(&self) -> Option<Failure> {
        let contents = self.refused().as_mut()?.resting(self.clock.now())?;
        for (place, print) in self.places.iter().chain(&self.beside).zip(&contents) {
            if self.keyring.holds_another(place, print.as_ref()).await {
                return None;
            }
        }
        self.refused().as_ref().map(|refused| refused.failure(self.clock.now()))
    }

    /// Where it is not sure that it was the secrets, whoever shows the rest remembers.
    fn remembered(&self, contents: Contents, failure: Failure) -> Failure {
        let is_refusal = contents.iter().take(self.places.len()).any(Option::is_some);
        if !is_refusal || self.is_doubtful(&failure) || self.keyring.insists {
            return failure;
        }
        let (mut refused, now) = (self.refused(), self.clock.now());
        let before = refused.take();
        refused.insert(Refused::new(contents, failure, before, now)).failure(now)
    }

    async fn contents_beside(&self) -> Contents {
        let mut contents = Contents::new();
        for place in &self.beside {
            contents.push(self.keyring.print(place).await);
        }
        contents
    }

    async fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        if order.len() == 2 && self.is_retired(&self.places[0]).await {
            order.reverse();
        }
        order
    }

    async fn is_retired(&self, first: &Place) -> bool {
        let retired = self.retired().clone();
        retired.is_some() && self.keyring.print(first).await == retired
    }

    /// Was it `print` that worked last? Once refused, it is not taken for granted any more.
    fn was_live(&self, print: &Print) -> bool {
        self.live().take().as_ref() == Some(print)
    }

    /// `used`, at the place `index`, is the live one.
    async fn note(&self, index: usize, used: &SecretString) {
        let used = Print::of(used);
        let retired = match &self.places[..] {
            [first, _] if index != 0 => self.keyring.print(first).await.filter(|print| *print != used),
            _ => None,
        };
        *self.retired() = retired;
        *self.live() = Some(used);
        *self.refused() = None;
    }

    fn marked<T>(&self, issued: Issued<T>, index: usize) -> Issued<T> {
        if self.places.len() < 2 {
            return issued;
        }
        let which = if index == 0 { "first" } else { "second" };
        Issued { obtained_with: Some(format!("{which} of two, {}", self.places[index]).into()), ..issued }
    }

    fn retired(&self) -> MutexGuard<'_, Option<Print>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, Option<Print>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may pass comes first, for the secret that could not be read may be the live one; then a refusal; the rest is named after it.
fn joined(mut failures: Vec<Failure>) -> Failure {
    let passing = failures.iter().position(|failure| !failure.kind.is_terminal());
    let lead = passing.or_else(|| failures.iter().position(|failure| failure.secret_refused)).unwrap_or_default();
    if failures.is_empty() {
        return Failure::new(FailureKind::Misconfigured, "no secret is configured");
    }
    let lead = failures.remove(lead);
    let others = failures.iter().filter(|other| other.message != lead.message);
    let message = others.fold(lead.message.clone(), |message, other| format!("{message}; the other one: {other}"));
    Failure { message, ..lead }
}
