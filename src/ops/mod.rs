//! What the operating side needs: the log, the audit log, systemd, and what the kernel does for a process that holds secrets.

pub mod audit;
mod lines;
pub mod log;
pub mod process;
pub mod systemd;
