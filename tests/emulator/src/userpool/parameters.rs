//! `AuthParameters` and `ChallengeResponses`: named texts.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::app_client::AppClient;
use super::secret_hash;
use crate::failure::Failure;
use crate::request::Request;

#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        let missing = || Failure::bad("InvalidParameterException", format!("Missing required parameter {name}"));
        self.optional(name).ok_or_else(missing)
    }

    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Checks `SECRET_HASH`, which must be over `username`.
    pub(super) fn prove_client(
        &self,
        request: &Request<'_>,
        client: &AppClient<'_>,
        username: &str,
    ) -> Result<(), Failure> {
        secret_hash::check(&request.cloud.secrets(client.id), username, client.id, self.optional("SECRET_HASH"))
    }
}
