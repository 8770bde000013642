//! From the configuration to the metadata service of `[imds]`.

use std::sync::Arc;

use super::Outside;
use super::generation::Generation;
use crate::config::Config;
use crate::http::Surface;
use crate::http::imds::Imds;

/// What answers there, if there is one in `config`; its sessions stay open.
pub fn imds(config: &Config, surface: &Arc<Surface>, outside: &Outside, before: Option<&Generation>) -> Option<Imds> {
    let service = config.imds.as_ref()?;
    let region = config.aws.region.as_deref().or_else(|| outside.environment.region());
    Some(match before.and_then(|before| before.imds()) {
        Some(standing) => standing.get().over(surface, service, region),
        None => Imds::new(surface, service, region),
    })
}
