//! credbroker: a machine-to-machine credential broker.
//!
//! One daemon per host or task. Services beside it ask on loopback for OAuth 2.0 bearer tokens and for temporary AWS
//! credentials; it obtains them, keeps them fresh, and answers from memory. The modules in the order of the flow:
//!
//! ```text
//!  main ── cli ── app ─┬─ config        document → checked Configs of the modules below
//!                      │
//!   callers ──► http ──┼──► policy      who asks, what may it have? → Permit
//!                      │
//!                      ├──► refresh     Store (opens with a Permit) → Entry → Slot: Cell decides, a task acts
//!                      │                           ▲ earlier stage of a chain
//!                      ├──► handover    what is held, from the last process and for the next
//!                      ├──► files       a value of an entry, kept fresh on the disk
//!                      ├──► source ─────► upstream ──► Cognito, STS, identity pools, OAuth 2.0 servers, issuers
//!                      │      ▲ a token with it    ▲ key sets
//!   programs ► egress ─┤  (with http's intake and accept loop) adds a token or a signature, forwards to one upstream
//!                      ├──► verify      is an inbound JWT one of an issuer's? → Verified | Refused
//!                      └──► rotation    a new client secret, step by step
//! ```
//!
//! Arrows point one way. `http` knows no concrete source; a source knows neither that it is cached nor what status a caller
//! sees; `policy::caller`, [`lease`] and the cell do no I/O; nobody but [`app`] takes the whole configuration or wires anything.
//! [`clock`], [`environment`], [`secret`] and [`file`] are the only ways in for time, variables, secrets and files; [`place`] is
//! where files go out.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod current;
pub mod egress;
pub mod environment;
pub mod file;
pub mod files;
pub mod handover;
pub mod http;
pub mod lease;
pub mod ops;
pub mod place;
pub mod policy;
pub mod refresh;
pub mod rotation;
pub mod secret;
pub mod source;
pub mod verify;
