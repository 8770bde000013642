//! Connections that are kept between requests, and die while nobody looks: a server that is restarted, or a firewall that forgets,
//! says so only when it is asked the next time. Such a request has reached nobody, so it is made once more at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

/// More connections than this are kept by no pool of ours.
const MOST: usize = 64;

/// Our ends of the connections on which something has been answered, the last one first.
#[derive(Debug, Default)]
pub struct Kept(Mutex<VecDeque<SocketAddr>>);

impl Kept {
    /// Makes a request that may be made twice.
    ///
    /// # Errors
    /// What came of it, of the second time if there was one.
    pub async fn call(
        &self,
        connector: &SharedHttpConnector,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let again = request.try_clone();
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());
        let outcome = connector.call(request).await;
        let Some(end) = connection.get().and_then(|connection| connection.local_addr()) else { return outcome };
        match (outcome, again) {
            (Err(cause), Some(again)) if !cause.is_timeout() && self.forget(end) => connector.call(again).await,
            (Ok(response), _) => {
                self.note(end);
                Ok(response)
            }
            (outcome, _) => outcome,
        }
    }

    fn note(&self, end: SocketAddr) {
        self.forget(end);
        let mut ends = self.ends();
        ends.push_front(end);
        ends.truncate(MOST);
    }

    /// Was something answered on it before?
    fn forget(&self, end: SocketAddr) -> bool {
        let mut ends = self.ends();
        let before = ends.len();
        ends.retain(|other| *other != end);
        ends.len() < before
    }

    fn ends(&self) -> MutexGuard<'_, VecDeque<SocketAddr>> {
        // Nothing panics between two halves of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
