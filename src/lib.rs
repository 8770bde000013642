//! placeholder
pub mod clock; pub mod environment; pub mod lease; pub mod secret; pub mod source; pub mod refresh; pub mod policy; pub mod config;
