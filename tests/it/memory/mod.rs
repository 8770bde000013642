//! What of the secrets stands in the daemon's memory, and who else may see it.
//!
//! The image of a running daemon is looked through for the middle of each secret that it has had in its hands: what is in use must be
//! found, or the search is blind; what is not must not be found anywhere, not even in memory that is free again.

mod closed;
pub mod image;
mod residue;
