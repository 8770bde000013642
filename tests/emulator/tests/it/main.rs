//! The emulator over real sockets, as its clients see it.

mod assertions;
mod authorization_server;
mod client_assertions;
mod control;
mod faults;
mod gateway;
mod identities;
mod identity_pool;
mod outbound;
mod refreshing;
mod secret_rotation;
mod secrets;
mod signer;
mod signing_in;
mod srp;
mod sts;
mod token_endpoint;
mod user_pool;
mod users;
mod web_identity;
mod wire;
mod world_file;
