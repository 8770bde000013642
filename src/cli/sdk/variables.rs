//! The variables that decide where an AWS SDK takes credentials from.
//!
//! The container provider (AWS SDKs and Tools Reference Guide, "Container credential provider") has four: where to ask, relative
//! to the address of the ECS agent or whole, and what to show there, from a file that is read each time or as a value.
//! `RELATIVE_URI` goes before `FULL_URI` in every SDK, and `TOKEN_FILE` before `TOKEN`. It is the last provider but one in
//! every chain, so whatever else is set goes before it.

/// Where to ask, relative to the ECS agent's address. The agent sets it in every container of a task with a task role.
pub const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
/// Where to ask.
pub const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The file that holds what to show.
pub const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// What to show.
pub const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// botocore's name for the profile. It goes before [`PROFILE`] there; the others do not know it.
pub const DEFAULT_PROFILE: &str = "AWS_DEFAULT_PROFILE";
/// Which profile.
pub const PROFILE: &str = "AWS_PROFILE";
/// Where the configuration file is.
pub const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// Where the credentials file is.
pub const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// Where the file of boto 2 is, which botocore still reads.
pub const BOTO_FILE: &str = "BOTO_CONFIG";
/// A file of the first EC2 tools, which botocore still reads.
pub const EC2_FILE: &str = "AWS_CREDENTIAL_FILE";

/// A key in the environment: the variable, and the one with its secret. Go knows the second pair too.
pub const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_ACCESS_KEY", "AWS_SECRET_KEY")];
/// The file of a web identity.
pub const WEB_IDENTITY_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The role for it.
pub const ROLE_ARN: &str = "AWS_ROLE_ARN";

/// Every variable by which some SDK would find other credentials before it looks at [`FULL_URI`], or others there.
pub const SHADOWING: [&str; 22] = [
    RELATIVE_URI,
    FULL_URI,
    TOKEN_FILE,
    TOKEN,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    // Ruby
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    // Rust, beside AWS_ACCESS_KEY_ID
    "SECRET_ACCESS_KEY",
    PROFILE,
    DEFAULT_PROFILE,
    WEB_IDENTITY_FILE,
    ROLE_ARN,
    "AWS_ROLE_SESSION_NAME",
    EC2_FILE,
    BOTO_FILE,
];
