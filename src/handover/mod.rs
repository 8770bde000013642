//! What a process hands over to the one after it: its leases, in sealed memory that systemd keeps meanwhile (its file descriptor
//! store). Nothing of it is ever on a disk, and it is gone with the unit or the machine.
//!
//! [`form`] is how it is written and what has to hold of what is read, without I/O; [`sealed`] is the memory.

pub mod form;
pub mod sealed;

pub use form::{Definitions, Surroundings, Unfit};
