//! The app client a request names, with the pool it is in.

use super::administration::no_client;
use crate::failure::Failure;
use crate::json_api::{text, word_or_plus};
use crate::request::Request;
use crate::world::{Client, Pool};

#[derive(Clone, Copy)]
pub(super) struct AppClient<'a> {
    pub(super) pool_id: &'a str,
    pub(super) pool: &'a Pool,
    pub(super) id: &'a str,
    pub(super) settings: &'a Client,
}

impl<'a> AppClient<'a> {
    /// The client of this id, in whichever pool it is.
    pub(super) fn named(request: &Request<'a>, id: Option<&String>) -> Result<AppClient<'a>, Failure> {
        let id = text("clientId", id, (1, 128), word_or_plus)?;
        let (pool_id, _, _) = request.cloud.world.client(id).ok_or_else(|| no_client(id))?;
        AppClient::in_pool(request, pool_id, id)
    }

    /// The client of this id, which must be in this pool.
    pub(super) fn in_pool(request: &Request<'a>, pool_id: &str, id: &str) -> Result<AppClient<'a>, Failure> {
        let found = request.cloud.world.pools.get_key_value(pool_id).and_then(|(pool_id, pool)| {
            let (id, settings) = pool.clients.get_key_value(id)?;
            Some(AppClient { pool_id, pool, id, settings })
        });
        found.ok_or_else(|| no_client(id))
    }

    /// That the client may use `flow`, which the setting `needed` turns on.
    pub(super) fn must_allow(&self, needed: &str, flow: &str) -> Result<(), Failure> {
        if self.settings.has_flow(needed) {
            return Ok(());
        }
        Err(not_enabled(flow))
    }
}

pub(super) fn not_enabled(flow: &str) -> Failure {
    Failure::bad("InvalidParameterException", format!("{flow} flow not enabled for this client"))
}
