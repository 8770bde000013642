//! What a process hands over to the one after it: its leases, issuers' keys, and by what the tokens that it made for callers are
//! known. It is in sealed memory that systemd keeps meanwhile (its file descriptor store): never on a disk, and gone with the unit or
//! the machine.
//!
//! [`form`] is how it is written and what has to hold of what is read, without I/O; [`sealed`] is the memory.

pub mod form;
pub mod sealed;

pub use form::{Definitions, Surroundings, Unfit};
