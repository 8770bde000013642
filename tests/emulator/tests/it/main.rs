//! The emulator over real sockets, as its clients see it.

mod control;
mod faults;
mod identity_pool;
mod refreshing;
mod secret_rotation;
mod signer;
mod signing_in;
mod sts;
mod token_endpoint;
mod user_pool;
mod users;
mod wire;
mod world_file;
