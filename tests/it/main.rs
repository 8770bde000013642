//! The daemon as its users meet it: the real binary as a child process, against a strict emulator, over real sockets.
//!
//! The modules are marked as tests one by one so that clippy allows them what it allows in tests.

// What the tests stand on.
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod client;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod described;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod privilege;
#[cfg(test)]
mod process;
#[cfg(test)]
mod site;
#[cfg(test)]
mod supervisor;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod users;
#[cfg(test)]
mod waiting;

// What callers are promised.
#[cfg(test)]
mod asking;
#[cfg(test)]
mod assume_role;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod authorize;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod chains;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod cognito;
#[cfg(test)]
mod cognito_user;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod crowding;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod identity_pool;
#[cfg(test)]
mod imds;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod oauth2;
#[cfg(test)]
mod oauth_endpoint;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod page;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod propagation;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sts;
#[cfg(test)]
mod uids;
#[cfg(test)]
mod units;
#[cfg(test)]
mod upstream_errors;
#[cfg(test)]
mod verifying;
#[cfg(test)]
mod web_identity;
#[cfg(test)]
mod wycheproof;

// What developers are promised.
#[cfg(test)]
mod arrows;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod security;

// What operators are promised.
#[cfg(test)]
mod activation;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod impostor;
#[cfg(test)]
mod logging;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod rotate;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod watching;
