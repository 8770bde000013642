//! What the operating side needs: the log, and systemd.

pub mod log;
pub mod systemd;
