//! The private halves of the keys in `world.toml`, PKCS #8 in PEM. They open nothing real.

/// Key `partner-rsa` of the client `partner-jwt`: RSA-2048, for RS256 and PS256.
pub const PARTNER_RSA: &str = include_str!("../keys/partner-rsa.pem");
/// Key `partner-ec` of the client `partner-jwt`: P-256, for ES256.
pub const PARTNER_EC: &str = include_str!("../keys/partner-ec.pem");
/// Key `partner-ed25519` of the client `partner-jwt`: Ed25519, for EdDSA.
pub const PARTNER_ED25519: &str = include_str!("../keys/partner-ed25519.pem");
