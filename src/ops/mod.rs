//! What the operating side needs: the log, and systemd.

mod lines;
pub mod log;
pub mod systemd;
