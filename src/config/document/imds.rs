//! `[imds]`: the EC2 instance metadata look-alike.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::text::{LoopbackAddress, Read};

/// An EC2 instance metadata (IMDSv2) look-alike, for programs that know nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImdsTable {
    /// Where it listens: an address of its own, for AWS_EC2_METADATA_SERVICE_ENDPOINT of the program.
    pub listen: Read<LoopbackAddress>,
    /// What it hands out; NAME is the role's name that programs see. Not for credentials of a subject token's user.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// To whom. It is known by its uid or its unit and has no token, for these programs can show none.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
}
