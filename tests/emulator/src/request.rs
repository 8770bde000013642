//! One operation being carried out: from the call to the journal entry and the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use crate::call::Call;
use crate::clock;
use crate::cloud::Cloud;
use crate::fault::Effect;
use crate::journal::Asked;
use crate::principal::Principal;
use crate::protocol::{Outcome, Protocol};

/// What an operation works with.
pub(crate) struct Request<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) call: &'a Call,
    /// When it arrived: seconds since the epoch, by the emulator's clock.
    pub(crate) now: i64,
    /// The entry in the journal, filled in as the operation reads its parameters.
    pub(crate) asked: Asked,
    /// Who signed, once the signature is checked.
    pub(crate) principal: Option<Principal>,
}

/// An operation: reads the request, changes the cloud, comes to an outcome.
pub(crate) type Operation = fn(&mut Request<'_>) -> Outcome;

/// Carries out `operation`, lets a fault bend the answer, and journals both before anything is sent.
pub(crate) async fn carry_out(
    cloud: Arc<Cloud>,
    call: Call,
    name: String,
    protocol: Protocol,
    operation: impl FnOnce(&mut Request<'_>) -> Outcome,
) -> Response<Bytes> {
    let fault = cloud.faults.strike(&name);
    let now = cloud.clock.now();
    let asked = Asked::new(clock::rfc3339(now), &name);
    let mut request = Request { cloud: &cloud, call: &call, now, asked, principal: None };
    let outcome = operation(&mut request);
    let mut asked = request.asked;
    asked.outcome = match (&fault, &outcome) {
        (Some(fault), _) => format!("fault:{}", fault.name()),
        (None, Ok(_)) => "ok".to_owned(),
        (None, Err(failure)) => failure.code.to_string(),
    };
    let effect = Effect::of(fault.as_ref(), &protocol, outcome);
    asked.status = effect.status();
    cloud.journal.add(asked);
    effect.happen().await
}
