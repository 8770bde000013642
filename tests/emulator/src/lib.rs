//! A strict emulator of Amazon Cognito user pools, Cognito identity pools, AWS STS, Secrets Manager and OAuth 2.0
//! authorization servers, for tests.
//!
//! One loopback port speaks six protocols: the hosted OAuth 2.0 token endpoint, RFC 6749 token endpoints, JSON 1.1
//! (`cognito-idp`, `cognito-identity`, `secretsmanager`), the STS query protocol, public documents, and an
//! API behind API Gateway that shows what arrived. Signatures are
//! verified, tokens are really signed, trust policies decide; what AWS would refuse is refused, with AWS's
//! codes. A test reads the [journal](Control::journal), sets [faults](Fault), moves the clock and rotates keys.
//!
//! ```no_run
//! # async fn example(text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use credbroker_emulator::{Emulator, Fault, FaultKind, World};
//!
//! let emulator = Emulator::start(World::from_toml(text)?, "127.0.0.1:0".parse()?).await?;
//! emulator.control().fault(Fault::once("token", FaultKind::Throttle { retry_after: Some(5) }));
//! // … point a client at emulator.url() …
//! for asked in emulator.control().journal() {
//!     println!("{} {} {}", asked.at, asked.operation, asked.outcome);
//! }
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

// The document, and the doors to it.
mod control;
mod emulator;
mod http;
pub mod private_keys;
mod world;

// One request, from call to answer.
mod authentication;
mod call;
mod failure;
mod fault;
mod journal;
mod mint;
mod protocol;
mod request;

// The services.
mod apigateway;
mod authserver;
mod discovery;
mod identitypool;
mod json_api;
mod oauth;
mod secretsmanager;
mod sts;
mod userpool;

// What the services stand on.
mod clock;
mod cloud;
mod digest;
mod jwk;
mod jwt;
mod key_rings;
mod keys;
mod principal;
mod random;
mod sessions;
mod sigv4;
mod trust;

pub use control::Control;
pub use emulator::Emulator;
pub use fault::{Fault, FaultKind};
pub use journal::Asked;
pub use mint::{Mint, TokenUse};
pub use world::{
    AuthorizationServer, Client, ClientAuth, ExpiresIn, Iam, IamUser, IdentityPool, Issuer, Jwk, Metadata, OAuthClient,
    OidcProvider, Pool, Provider, Role, Secret, SigningAlgorithm, TokenFormat, Trust, User, World, WorldError,
};
