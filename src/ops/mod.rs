//! What the operating side needs: the log, systemd, and what the kernel does for a process that holds secrets.

mod lines;
pub mod log;
pub mod process;
pub mod systemd;
