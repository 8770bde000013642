//! `credbroker health`: 0 if the daemon is alive, else 1, for a container's health check without a shell or curl.

use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

pub fn run(place: &Where, _: &Outside) -> Exit {
    let client = match place.nobody() {
        Ok(client) => client,
        Err(cause) => return cause.end(),
    };
    match on_runtime(client.get("/healthz")) {
        Some(Ok(answer)) if answer.status.is_success() => output::say("ok"),
        Some(Ok(answer)) => {
            output::complain(&format!("the daemon answered with status {}", answer.status));
            Exit::Failed
        }
        Some(Err(cause)) => {
            output::complain(&cause.to_string());
            Exit::Failed
        }
        None => Exit::Failed,
    }
}
