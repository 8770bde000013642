//! `[egress.*]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::text::{Read, Region, SigningService, UpstreamUrl};
use crate::http::listen::Listen;

/// A local forward address: exactly one of bearer and sigv4.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["bearer", "sigv4"]))]
pub struct EgressTable {
    /// Where programs send their requests to.
    pub listen: Read<Listen>,
    /// Where the requests go, and nowhere else; a path here is put in front of theirs.
    pub upstream: Read<UpstreamUrl>,
    /// The token that is added.
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub bearer: Option<String>,
    /// How requests are signed.
    pub sigv4: Option<SigV4>,
    /// For whom: the processes of this caller's uid or unit, which need no token here.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
    /// A request is given up when nothing of it or of its answer has moved for so long, 60s if nothing is said.
    pub idle_timeout: Option<Read<Duration>>,
}

/// A signature of AWS (Signature Version 4).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigV4 {
    /// Who signs.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// The service signed for, as its signatures name it.
    pub service: Read<SigningService>,
    /// Its region.
    pub region: Read<Region>,
}
