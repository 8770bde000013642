//! `[egress.*]`.

use std::time::Duration;

use crate::config::Egress;
use crate::config::document;
use crate::config::rules::name_of;
use crate::egress::{self, Added, Signature};

/// As long nothing may move if nothing is said: what proxies in front of services wait as a rule.
const IDLE: Duration = Duration::from_secs(60);

pub fn egress(name: &str, table: document::EgressTable) -> Option<Egress> {
    let added = match (table.bearer.as_deref(), table.sigv4) {
        (Some(token), None) => Added::Bearer(name_of(token)?.to_owned()),
        (None, Some(signed)) => Added::Signature(Signature {
            credentials: name_of(&signed.credentials)?.to_owned(),
            service: signed.service.0.0,
            region: signed.region.0.0,
        }),
        _ => return None,
    };
    let forward = egress::Config {
        name: name.to_owned(),
        upstream: table.upstream.0.0,
        added,
        caller: table.caller,
        idle: table.idle_timeout.map_or(IDLE, |read| read.0),
    };
    Some(Egress { listen: table.listen.0, forward })
}
