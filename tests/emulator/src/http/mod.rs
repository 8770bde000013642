//! The HTTP side: routes as warp filters, and the connections that carry them.

mod connections;
mod control_routes;
mod cut;
mod routes;

pub(crate) use self::connections::serve;
pub(crate) use self::routes::all;
