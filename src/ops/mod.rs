//! What the operating side needs: the log, the audit log, and systemd.

pub mod audit;
mod lines;
pub mod log;
pub mod systemd;
