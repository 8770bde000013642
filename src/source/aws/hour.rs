//! What time it is at AWS. A signature is good for five minutes by AWS's clock, so requests are signed by that one as soon as an
//! answer has told it, be it a refusal.

use std::time::SystemTime;

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::super::upstream::{Upstream, date_of};
use super::AWS;
use crate::clock::Clock;

/// What the service is called that gives out an identity on this host: the instance's metadata service, or a container's.
pub(super) const HOST: &str = "the identity service of this host";

/// The clock that the SDK signs by.
#[derive(Debug)]
pub(super) struct Hour(pub(super) Clock);

impl TimeSource for Hour {
    fn now(&self) -> SystemTime {
        self.0.reading_of(AWS).wall_at(self.0.now())
    }
}

/// A way out on which the `Date` of each answer is noted.
#[derive(Debug)]
pub(super) struct Dated {
    connector: SharedHttpConnector,
    clock: Clock,
}

impl Dated {
    /// The way out through `upstream`.
    pub(super) fn client(upstream: &Upstream, clock: &Clock) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Self { connector: upstream.connector(), clock: clock.clone() });
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for Dated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // All that is asked of AWS here is a POST, and nothing that is asked of a host's own service is.
        let (of, clock) = (if request.method() == "POST" { AWS } else { HOST }, self.clock.clone());
        let (sent_at, answer) = (clock.now(), self.connector.call(request));
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            if let Some(date) = date_of(&answer) {
                clock.heard(of, date, sent_at);
            }
            Ok(answer)
        })
    }
}
