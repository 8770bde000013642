//! The task that keeps one file as it should be: it does what [`Standing`] decides, whenever the source has answered, the value ends, or
//! it is time to look whether the file is still there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::content;
use super::fault::Fault;
use super::standing::{Doing, Next, Standing, There};
use super::what::{Held, What};
use crate::clock::{Clock, Moment};
use crate::lease::RequestId;
use crate::ops::audit::{Audit, Event, Fingerprint, Outcome, Record};
use crate::place::Place;

/// What an earlier run has left and does not say when it ends is taken for valid so long, as is a token of which nobody says it.
const ASSUMED_LIFE: Duration = Duration::from_secs(5 * 60);
/// A file system that does not answer within this hangs.
const LONGEST_ACT: Duration = Duration::from_secs(5);

/// One file, and what is known of it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Its full name.
    pub name: Arc<str>,
    /// What is in it.
    pub what: What,
    /// Where it is.
    pub place: Arc<Place>,
    /// How it stands.
    pub standing: Arc<Mutex<Standing>>,
    /// The time.
    pub clock: Clock,
    /// Where it is written down what was written.
    pub audit: Audit,
}

impl Keeper {
    /// What is known of it.
    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        // The standing's methods leave it whole at every point, so a poisoned lock has nothing broken behind it.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the file, until it is told to stop.
    pub async fn keep(self) {
        let (mut news, mut jumps) = (self.what.news(), self.clock.jumps());
        let mut steps = jumps.borrow_and_update().steps;
        self.find().await;
        loop {
            news.mark_unchanged();
            let now_set = jumps.borrow_and_update().steps;
            if std::mem::replace(&mut steps, now_set) != now_set && self.what.tells_its_end() {
                self.standing().is_outdated();
            }
            let held = self.what.held();
            let next = self.standing().next(held.as_ref().map(Held::issued_at), self.clock.now());
            match (next, held) {
                (Next::Write, Some(held)) => self.write(held).await,
                (Next::Write | Next::Remove, _) => self.remove().await,
                (Next::Look, _) => self.look().await,
                // The value is not kept in memory for as long as the file rests.
                (Next::Rest(until), held) => {
                    drop(held);
                    tokio::select! {
                        changed = news.changed() => if changed.is_err() { return },
                        _ = jumps.changed() => {},
                        () = sleep_until_some(&self.clock, until) => {},
                    }
                }
            }
        }
    }

    /// What an earlier run has left stays until there is something newer, or it ends.
    async fn find(&self) {
        let found = match self.beside(Doing::Remove, |place| Ok(place.find()?)).await {
            Ok(found) => found,
            Err(fault) => return self.failed(Doing::Remove, &fault),
        };
        let Some(found) = found else { return };
        let now = self.clock.now();
        let end = found.content.and_then(|content| content::end_of(std::str::from_utf8(&content).ok()?));
        let expiry = end.map_or_else(|| now.plus(ASSUMED_LIFE), |end| self.clock.moment_of(end));
        let there = There { issued_at: None, expiry, written_at: found.written_at, mark: found.mark, seen_at: now };
        self.standing().is_there(there);
        tracing::debug!(file = &*self.name, "an earlier run has left the file");
    }

    async fn write(&self, held: Held) {
        let (issued_at, expiry) = (held.issued_at(), held.expiry());
        let content = held.content(self.clock.wall_at(expiry));
        let issued = (self.audit.fingerprint(|key| held.fingerprint(key)), held.request_id());
        drop(held);
        let write = move |place: &Place| Ok(place.write(content?.as_bytes())?);
        match self.beside(Doing::Write, write).await {
            Ok(mark) => {
                let (written_at, seen_at) = (self.clock.wall(), self.clock.now());
                self.standing().is_there(There { issued_at: Some(issued_at), expiry, written_at, mark, seen_at });
                let path = self.place.path().display();
                tracing::info!(file = &*self.name, %path, lifetime_s = expiry.since(seen_at).as_secs(), "written");
                self.tell(issued, expiry);
            }
            Err(fault) => self.failed(Doing::Write, &fault),
        }
    }

    fn tell(&self, (fingerprint, request_id): (Option<Fingerprint>, Option<RequestId>), expiry: Moment) {
        self.audit.write(&Record {
            name: Some(self.what.name()),
            via: Some(&self.name),
            fingerprint,
            expires_at: Some(self.clock.wall_at(expiry)),
            upstream_request_id: request_id.as_ref().map(RequestId::as_str),
            ..Record::of(Event::File, Outcome::Issued)
        });
    }

    async fn remove(&self) {
        let Some(mark) = self.standing().there().map(|there| there.mark) else { return };
        match self.beside(Doing::Remove, move |place| Ok(place.remove(mark)?)).await {
            Ok(was_there) => {
                self.standing().is_gone();
                let what = self.what.name();
                if was_there {
                    tracing::error!(file = &*self.name, what, "expired and not renewed: removed");
                } else {
                    tracing::error!(
                        file = &*self.name,
                        what,
                        "expired and not renewed; another file is in its place, or none"
                    );
                }
            }
            Err(fault) => self.failed(Doing::Remove, &fault),
        }
    }

    async fn look(&self) {
        let Some(mark) = self.standing().there().map(|there| there.mark) else { return };
        match self.beside(Doing::Write, |place| Ok(place.mark()?)).await {
            Ok(Some(there)) if there == mark => return self.standing().seen(self.clock.now()),
            // It still has to be removed at its end, if there is nothing to be written until then.
            Ok(Some(there)) if there.is_same_content(mark) => self.standing().is_touched(there, self.clock.now()),
            Ok(_) => self.standing().is_gone(),
            // What cannot be seen is written again, which says why it cannot be.
            Err(_) => return self.standing().is_touched(mark, self.clock.now()),
        }
        tracing::warn!(file = &*self.name, "somebody else has removed or changed the file");
    }

    /// What stays so is said once, not at every attempt.
    fn failed(&self, doing: Doing, fault: &Fault) {
        if !self.standing().failed(doing, fault.to_string(), self.clock.now()) {
            return;
        }
        match doing {
            Doing::Write => tracing::warn!(file = &*self.name, reason = %fault, "the file could not be written"),
            Doing::Remove => tracing::warn!(file = &*self.name, reason = %fault, "the file could not be removed"),
        }
    }

    /// Acts beside the runtime. A thread that hangs is waited for, so that there is never a second one, and the status says so
    /// meanwhile.
    async fn beside<T: Send + 'static>(
        &self,
        doing: Doing,
        act: impl FnOnce(&Place) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let place = Arc::clone(&self.place);
        let mut acting = tokio::task::spawn_blocking(move || act(&place));
        let outcome = match tokio::time::timeout(LONGEST_ACT, &mut acting).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.failed(doing, &Fault::Hanging(self.place.path().to_owned()));
                acting.await
            }
        };
        outcome.unwrap_or(Err(Fault::Broken))
    }
}

async fn sleep_until_some(clock: &Clock, moment: Option<Moment>) {
    match moment {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
