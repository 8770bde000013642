//! What AWS SDKs go by in the environment of a program: variables and profile files. `exec` makes such an environment, `doctor`
//! reads one.

pub mod profiles;
pub mod variables;
