//! `status --watch`: looks every so often until it is told to end. On a terminal it draws over what was there before; else it prints
//! one snapshot after the other, with a blank line between them, or with `--json` one document a line.
//!
//! A daemon that goes away is waited for, and what it said last stays in sight. One that refuses at the first look ends the watch. Ended
//! by a signal, the exit code says how the last look went.

use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::ask::{complaint, exit_of};
use super::super::client::{Unanswered, Where};
use super::super::{Exit, output};
use super::look::Look;
use super::screen::Screen;
use super::table::{span, table};
use crate::app::Outside;
use crate::clock::{Moment, rfc3339};
use crate::http::status::outline::plain;

/// Why there is nothing new to show.
struct Fault {
    words: String,
    exit: Exit,
    may_pass: bool,
}

/// What is known so far.
#[derive(Default)]
struct Seen {
    document: Option<Value>,
    lost: Option<Lost>,
}

struct Lost {
    fault: Fault,
    since: Moment,
    at: String,
}

/// Watches the daemon at `place`.
pub async fn watch(place: &Where, every: Duration, json: bool, outside: &Outside) -> Exit {
    let (Ok(mut ends), Ok(mut resized)) = (Ends::new(), signal(SignalKind::window_change())) else {
        output::complain("signals cannot be received");
        return Exit::Failed;
    };
    let look = Look::of(&outside.environment);
    let screen = (look.is_screen && !json).then(Screen::enter);
    let mut seen = Seen::default();
    loop {
        let outcome = tokio::select! {
            outcome = ask(place, outside) => outcome,
            () = ends.end() => return seen.exit(),
        };
        let is_news = seen.note(outcome, outside);
        if let Some(fault) = seen.is_hopeless() {
            drop(screen);
            output::complain(&fault.words);
            return fault.exit;
        }
        let next = outside.clock.now().plus(every);
        loop {
            let shown = match &screen {
                Some(screen) => screen.draw(&seen.picture(outside)),
                None => seen.print(json, is_news, &look),
            };
            if shown != Exit::Done {
                return shown;
            }
            tokio::select! {
                () = outside.clock.sleep_until(next) => break,
                () = ends.end() => return seen.exit(),
                // Without a screen nothing is drawn again.
                _ = resized.recv(), if screen.is_some() => {},
            }
        }
    }
}

async fn ask(place: &Where, outside: &Outside) -> Result<Value, Fault> {
    // The caller's token is read each time: a daemon that comes back may know it by another one.
    let client = place.client(outside).map_err(|cause| Fault::of(&cause))?;
    let answer = client.get("/v1/status").await.map_err(|cause| Fault::of(&cause))?;
    if !answer.status.is_success() {
        let exit = exit_of(answer.status.as_u16());
        return Err(Fault { words: complaint(&answer), exit, may_pass: answer.status.is_server_error() });
    }
    super::document(&answer).ok_or_else(|| Fault {
        words: super::NO_DOCUMENT.to_owned(),
        exit: Exit::Failed,
        may_pass: false,
    })
}

impl Fault {
    fn of(cause: &Unanswered) -> Self {
        let (exit, may_pass) = match cause {
            Unanswered::NotReachable { .. } => (Exit::NotReachable, true),
            Unanswered::NotProven { .. } => (Exit::Failed, false),
            Unanswered::Usage(_) => (Exit::Usage, false),
        };
        Self { words: cause.to_string(), exit, may_pass }
    }
}

impl Seen {
    /// Takes in what a look brought. Did the daemon go away or come back, or is there a new document?
    fn note(&mut self, outcome: Result<Value, Fault>, outside: &Outside) -> bool {
        match outcome {
            Ok(document) => {
                (self.document, self.lost) = (Some(document), None);
                true
            }
            Err(fault) => {
                let before = self.lost.take();
                let is_news = before.is_none();
                let now = || (outside.clock.now(), rfc3339(outside.clock.wall()));
                let (since, at) = before.map_or_else(now, |lost| (lost.since, lost.at));
                self.lost = Some(Lost { fault, since, at });
                is_news
            }
        }
    }

    /// A refusal at the first look is not mended by looking again.
    fn is_hopeless(&self) -> Option<&Fault> {
        let fault = self.lost.as_ref().map(|lost| &lost.fault)?;
        (self.document.is_none() && !fault.may_pass).then_some(fault)
    }

    fn exit(&self) -> Exit {
        self.lost.as_ref().map_or(Exit::Done, |lost| lost.fault.exit)
    }

    /// What the screen shows.
    fn picture(&self, outside: &Outside) -> String {
        let look = Look::of(&outside.environment);
        let known = self.document.as_ref().map(|document| table(document, &look)).unwrap_or_default();
        let Some(lost) = &self.lost else { return known };
        let span = span(outside.clock.now().since(lost.since).as_secs());
        let what = if lost.fault.exit == Exit::NotReachable { "daemon not reachable" } else { "no status" };
        let told = plain(&format!("{what} since {} ({span}): {}", lost.at, lost.fault.words));
        let told = look.wrapped(&told, "");
        let rest = if known.is_empty() { known } else { format!("\nWhat it said last:\n\n{known}") };
        format!("{}{rest}", look.alarming(&told))
    }

    /// Prints what is new.
    fn print(&self, json: bool, is_news: bool, look: &Look) -> Exit {
        match (&self.lost, &self.document) {
            (Some(lost), _) if is_news => {
                output::complain(&format!("no status since {}: {}", lost.at, lost.fault.words));
                Exit::Done
            }
            (None, Some(document)) if json => output::say(&document.to_string()),
            (None, Some(document)) => output::say(&table(document, look)),
            _ => Exit::Done,
        }
    }
}

/// What ends a watch.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {},
            _ = self.terminate.recv() => {},
            _ = self.hangup.recv() => {},
        }
    }
}
