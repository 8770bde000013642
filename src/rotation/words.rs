//! What people are told when a rotation stops: why, in what state things are, what to do. Ids and paths, never a secret.

use std::fmt::Display;

use super::app_client::Listed;
use super::files::Trouble;
use super::next::{Holder, Refusal, Seen};
use super::{Known, Rotation, Stopped};
use crate::source::Failure;

impl Rotation {
    /// What is said of the files is what is seen in them now; of Cognito, what this run has `known`.
    pub(super) fn stopped(&self, step: &'static str, cause: &dyn Display, known: Option<&Known>) -> Stopped {
        let state = match known.map(|known| (known, self.look(known))) {
            Some((known, Ok(seen))) if known.touched || seen.record.is_some() => self.state(&seen, &known.listed),
            Some((known, Err(_))) if known.touched => format!(
                "What {} holds cannot be told at this moment; once that is mended run it again, it goes on from what it finds",
                self.files.file.display()
            ),
            _ => "This run has changed nothing; once that is mended run it again".to_owned(),
        };
        self.with_state(step, cause, state)
    }

    fn with_state(&self, step: &'static str, cause: &dyn Display, state: String) -> Stopped {
        let cause = cause.to_string().trim_end_matches("; it is asked again").trim_end_matches('.').to_owned();
        Stopped { token: self.token.clone(), step, cause, state }
    }

    fn state(&self, seen: &Seen, listed: &[Listed]) -> String {
        let (file, record) = (self.files.file.display(), self.files.record.display());
        let Some(noted) = &seen.record else {
            return format!(
                "{record} has been removed meanwhile; compare {file} with what Cognito lists, {}, and run it again",
                ids(listed)
            );
        };
        let old_is_listed = seen.listed.contains(&noted.old);
        match seen.holder() {
            Some(Holder::File) if old_is_listed && listed.len() == 1 => format!(
                "{file} holds the new secret, which Cognito did not list and may not accept; run it again soon, it goes on from here"
            ),
            Some(Holder::File) if old_is_listed => {
                format!("{file} holds the new secret; run it again, it goes on from here")
            }
            Some(Holder::File) => format!(
                "{file} holds the new secret, and Cognito lists {}; run it again. If it stays so, put a secret that works into {file} and remove {record}",
                ids(listed)
            ),
            holder if old_is_listed => format!(
                "{file} does not hold the new secret yet, and Cognito listed the old one, {}; run it again, it goes on from here{}",
                noted.old,
                if holder.is_some() && noted.new.is_none() { self.undecided(listed) } else { String::new() }
            ),
            _ => format!(
                "{file} does not hold the new secret yet, and Cognito no longer lists the old one, {}: {file} may hold none that works; \
                 run it again, it goes on from here",
                noted.old
            ),
        }
    }

    /// Nobody knows which of two listed ones is the new one.
    fn undecided(&self, listed: &[Listed]) -> String {
        if listed.len() < 2 {
            return String::new();
        }
        format!(
            ". Cognito lists {}. If it stays so and nobody else adds secrets, delete the newer one ({}) and run it again",
            ids(listed),
            self.command()
        )
    }

    /// Stopped before anything was begun.
    pub(super) fn untried(&self, cause: &Failure) -> Stopped {
        let surroundings = if cause.kind.is_terminal() {
            ". This command reads the configuration, the secrets and the AWS identity in its own environment, not in the daemon's: \
             variables and systemd credentials that the daemon has must be given to it too"
        } else {
            ""
        };
        let state = format!("Nothing was touched{surroundings}; once that is mended run it again");
        self.with_state("getting a token with the secret that is in place", cause, state)
    }

    /// Stopped, with the new secret taken back.
    pub(super) fn withdrawn(&self, step: &'static str, cause: &str, left: Option<&Trouble>) -> Stopped {
        let cause = left.map_or_else(|| cause.to_owned(), |trouble| format!("{cause}; and then {trouble}"));
        let state = format!(
            "The new secret has been taken back and {} was never touched; once that is mended run it again",
            self.files.file.display()
        );
        self.with_state(step, &cause, state)
    }

    /// Stopped with nothing left to do but to clear up.
    pub(super) fn unfinished(&self, cause: &Trouble) -> Stopped {
        let state = format!(
            "{} holds the new secret, which works, and Cognito has forgotten the old one; once that is mended run it again, \
             it only removes what is left beside it",
            self.files.file.display()
        );
        self.with_state("removing the note", cause, state)
    }

    pub(super) fn refused(&self, refusal: &Refusal, known: &Known) -> Stopped {
        let listed = &known.listed;
        let nothing = if known.touched { "Nothing more was touched" } else { "Nothing was touched" };
        let config = self.app_client.config();
        let (file, next) = (self.files.file.display(), self.files.next.display());
        let record = self.files.record.display();
        let (cause, state) = match refusal {
            Refusal::NoSecret => (
                format!("user pool {} lists no secret for app client {}", config.user_pool, config.client_id),
                format!("{nothing}; check client_id"),
            ),
            Refusal::Foreign => (
                format!("app client {} has secrets that are not explained: {}", config.client_id, ids(listed)),
                format!(
                    "{nothing}; somebody else may be rotating it. Else find out which one {file} holds, delete the other \
                     ({}) and run it again",
                    self.command()
                ),
            ),
            Refusal::StrayFile => (
                format!("{next} is there and no {record} says what it is"),
                format!("{nothing}; look at it, move it away and run it again"),
            ),
            Refusal::OtherClient(other) => (
                format!("{record} is about app client {other}, the token's is {}", config.client_id),
                format!(
                    "{nothing}; let {other} finish with its own client_id, or remove {record} and {next} once {file} \
                     holds a secret that works"
                ),
            ),
            Refusal::Overtaken => (
                format!("the old secret is gone, and {file} does not hold the new one"),
                format!(
                    "{nothing}; Cognito lists {}. Put a secret that works into {file}, remove {record} and {next}, and run it again",
                    ids(listed)
                ),
            ),
        };
        Stopped { token: self.token.clone(), step: "looking at what is there", cause, state }
    }

    fn command(&self) -> String {
        let config = self.app_client.config();
        format!(
            "aws cognito-idp delete-user-pool-client-secret --user-pool-id {} --client-id {} --client-secret-id ID",
            config.user_pool, config.client_id
        )
    }
}

fn ids(listed: &[Listed]) -> String {
    let one = |secret: &Listed| {
        let created = secret.created.as_ref().map_or_else(String::new, |created| format!(" (created {created})"));
        format!("{}{created}", secret.id)
    };
    listed.iter().map(one).collect::<Vec<_>>().join(", ")
}
