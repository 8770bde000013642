//! What is next, decided from what is seen and from nothing remembered, so that an interrupted rotation goes on wherever it stopped.

use serde::{Deserialize, Serialize};

/// What stands for a secret where only sameness matters: the SHA-256 in hexadecimal. A new secret has 285 bits of chance in it, so
/// nothing of it can be found from this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

/// What a rotation keeps beside the file from before Cognito knows the new secret until it has forgotten the old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The app client.
    pub client_id: String,
    /// The id of the secret that goes.
    pub old: String,
    /// The id of the one that comes, once Cognito has told it.
    pub new: Option<String>,
    /// The value of the one that comes.
    pub fingerprint: Fingerprint,
}

/// All that matters of the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The ids of the secrets that Cognito accepts.
    pub listed: Vec<String>,
    /// What an earlier step, or an earlier run, has noted.
    pub record: Option<Record>,
    /// What is in the token's file.
    pub file: Option<Fingerprint>,
    /// What is beside it, waiting to take its place.
    pub next: Option<Fingerprint>,
    /// Has this run got a token with the secret that is in the token's file, before it made another?
    pub tried: bool,
    /// From where this run has last got a token with the new secret.
    pub proved: Option<Holder>,
}

/// Where the new secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Beside the token's file.
    Next,
    /// In it.
    File,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Get a token with the secret that is in the token's file: whatever else is wrong comes out before anything is changed.
    Try,
    /// Make a secret, note it, and put it beside the file. The one with this id is to go.
    Stage(String),
    /// Tell Cognito the new secret.
    Add(Holder),
    /// Get a token with it.
    Prove(Holder),
    /// Put it in the place of the file.
    Install,
    /// Let Cognito forget the old secret.
    DeleteOld(String),
    /// Let Cognito forget a new secret whose value is lost.
    DeleteLost(String),
    /// Nothing is left but the note.
    Finish,
}

/// Why a rotation does not go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Cognito lists no secret at all.
    NoSecret,
    /// There are secrets that no rotation of ours explains.
    Foreign,
    /// A file that waits to take the place of the other, and no note about it.
    StrayFile,
    /// The note is about another app client.
    OtherClient(String),
    /// Somebody has removed the old secret and the file does not hold the new one.
    Overtaken,
}

/// The next step for what is `seen` of `client_id`.
///
/// # Errors
/// [`Refusal`] where any step might take a working secret from somebody.
pub fn next(seen: &Seen, client_id: &str) -> Result<Step, Refusal> {
    match (&seen.record, &seen.listed[..]) {
        (_, []) => Err(Refusal::NoSecret),
        (None, _) if seen.next.is_some() => Err(Refusal::StrayFile),
        (None, [old]) => Ok(if seen.tried { Step::Stage(old.clone()) } else { Step::Try }),
        (None, _) => Err(Refusal::Foreign),
        (Some(record), _) if record.client_id != client_id => Err(Refusal::OtherClient(record.client_id.clone())),
        (Some(record), listed) => go_on(seen, record, listed),
    }
}

fn go_on(seen: &Seen, record: &Record, listed: &[String]) -> Result<Step, Refusal> {
    let others: Vec<&String> = listed.iter().filter(|id| **id != record.old).collect();
    let old_is_listed = others.len() < listed.len();
    let is_ours = |id: &String| record.new.as_ref().is_none_or(|new| new == id);
    match (seen.holder(), old_is_listed, &others[..]) {
        (_, _, [_, _, ..]) => Err(Refusal::Foreign),
        (Some(holder), true, []) => Ok(Step::Add(holder)),
        (None, true, []) => Ok(Step::Stage(record.old.clone())),
        (_, _, [other]) if !is_ours(other) => Err(Refusal::Foreign),
        (Some(holder), _, _) if seen.proved != Some(holder) => Ok(Step::Prove(holder)),
        (Some(Holder::Next), _, _) => Ok(Step::Install),
        (Some(Holder::File), true, _) => Ok(Step::DeleteOld(record.old.clone())),
        (Some(Holder::File), false, _) => Ok(Step::Finish),
        // Which secret an id stands for is known only where Cognito has told it.
        (None, true, [other]) if record.new.is_some() => Ok(Step::DeleteLost((*other).clone())),
        (None, true, _) => Err(Refusal::Foreign),
        (None, false, _) => Err(Refusal::Overtaken),
    }
}

impl Seen {
    /// Where the new secret is, if it is anywhere.
    pub fn holder(&self) -> Option<Holder> {
        let new = Some(&self.record.as_ref()?.fingerprint);
        match (self.file.as_ref() == new, self.next.as_ref() == new) {
            (true, _) => Some(Holder::File),
            (false, true) => Some(Holder::Next),
            (false, false) => None,
        }
    }

    /// The id of the new secret that may be taken back because nothing depends on it: the file still holds another one, and Cognito
    /// the old one.
    pub fn withdrawable(&self) -> Option<&str> {
        let record = self.record.as_ref()?;
        let new = record.new.as_ref()?;
        let both = self.listed.contains(&record.old) && self.listed.contains(new);
        (both && self.holder() != Some(Holder::File)).then_some(new.as_str())
    }
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
