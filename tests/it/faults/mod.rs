//! What goes wrong around the daemon, and what its callers notice: docs/faults.md, row by row, as far as no other module shows it.

mod answers;
mod connections;
mod disk;
mod ends;
mod matrix;
mod names;
mod secrets;
mod slow;
mod tls;
mod upstream;
