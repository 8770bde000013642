//! What people are told when a rotation stops: why, in what state things are, what to do. Ids and paths, never a secret.

use std::fmt::Display;

use super::app_client::Listed;
use super::next::{Holder, Refusal, Seen};
use super::{Rotation, Stopped};

impl Rotation {
    pub(super) fn stopped(&self, step: &'static str, cause: &dyn Display, seen: Option<&Seen>) -> Stopped {
        let cause = cause.to_string().trim_end_matches("; it is asked again").trim_end_matches('.').to_owned();
        Stopped { token: self.token.clone(), step, cause, state: self.state(seen) }
    }

    fn state(&self, seen: Option<&Seen>) -> String {
        let file = self.files.file.display();
        match seen.map(Seen::holder) {
            None => format!("{file} is as it was; run it again once that is mended"),
            Some(Some(Holder::File)) => {
                format!("{file} holds the new secret; run it again, it goes on from here")
            }
            Some(_) => {
                format!("{file} holds the old secret, which is still accepted; run it again, it goes on from here")
            }
        }
    }

    pub(super) fn withdrawn_state(&self) -> String {
        format!(
            "The new secret has been taken back and {} was never touched; run it again once that is mended",
            self.files.file.display()
        )
    }

    /// Not proved, and not taken back: it may pass, or nobody knows which of the listed ones is the new one.
    pub(super) fn unproved_state(&self, seen: &Seen, listed: &[Listed]) -> String {
        let unknown = seen.record.as_ref().is_some_and(|record| record.new.is_none());
        if unknown && seen.holder() == Some(Holder::Next) {
            let advice =
                format!("If it stays so and nobody else adds secrets, delete the newer one ({})", self.command());
            return format!("{}. Cognito lists {}. {advice} and run it again", self.state(Some(seen)), ids(listed));
        }
        self.state(Some(seen))
    }

    pub(super) fn refused(&self, refusal: &Refusal, listed: &[Listed]) -> Stopped {
        let config = self.app_client.config();
        let (file, next) = (self.files.file.display(), self.files.next.display());
        let record = self.files.record.display();
        let (cause, state) = match refusal {
            Refusal::NoSecret => (
                format!("user pool {} lists no secret for app client {}", config.user_pool, config.client_id),
                "Nothing was touched; check client_id".to_owned(),
            ),
            Refusal::Foreign => (
                format!("app client {} has secrets that are not explained: {}", config.client_id, ids(listed)),
                format!(
                    "Nothing was touched; somebody else may be rotating it. Else find out which one {file} holds, delete the other \
                     ({}) and run it again",
                    self.command()
                ),
            ),
            Refusal::StrayFile => (
                format!("{next} is there and no {record} says what it is"),
                "Nothing was touched; look at it, move it away and run it again".to_owned(),
            ),
            Refusal::OtherClient(other) => (
                format!("{record} is about app client {other}, the token's is {}", config.client_id),
                format!(
                    "Nothing was touched; let {other} finish with its own client_id, or remove {record} and {next} once {file} \
                     holds a secret that works"
                ),
            ),
            Refusal::Overtaken => (
                format!("the old secret is gone, and {file} does not hold the new one"),
                format!(
                    "Nothing was touched; Cognito lists {}. Put a secret that works into {file}, remove {record} and {next}, and run it again",
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
