//! Where an entry's values come from, for people: in words, after which entry, and whether each of them is paid for.

use crate::config::{ClientAuth, Credentials, CredentialsSource, Endpoint, Login, Token, TokenSource, WebToken};
use crate::refresh::Origin;
use crate::source::machine_user::Flow;

/// Of a token; `own` is what the broker's own identity is called.
pub fn of_token(token: &Token, own: &str) -> Origin {
    let after = match &token.source {
        TokenSource::TokenEndpoint { auth: ClientAuth::Token(name), .. } => Some(format!("tokens.{name}")),
        TokenSource::MachineUser(user) if user.flow == Flow::AdminUserPassword => Some(own.to_owned()),
        TokenSource::IdentityToken { identity, .. } => Some(signer(identity.as_deref(), own)),
        TokenSource::TokenEndpoint { .. } | TokenSource::ClientToken(_) | TokenSource::MachineUser(_) => None,
    };
    let is_billed = matches!(
        token.source,
        TokenSource::ClientToken(_) | TokenSource::TokenEndpoint { endpoint: Endpoint::Cognito(_), .. }
    );
    Origin { words: token.to_string(), after, is_billed }
}

/// Of credentials.
pub fn of_credentials(credentials: &Credentials, own: &str) -> Origin {
    let after = match &credentials.source {
        CredentialsSource::AssumeRole { identity, .. } => Some(signer(identity.as_deref(), own)),
        CredentialsSource::WebIdentity { token: WebToken::Held(name), .. }
        | CredentialsSource::IdentityPool { login: Login::Token { name, .. }, .. } => Some(format!("tokens.{name}")),
        CredentialsSource::IdentityPool { login: Login::Developer(_), .. } => Some(own.to_owned()),
        CredentialsSource::Ambient
        | CredentialsSource::WebIdentity { .. }
        | CredentialsSource::IdentityPool { login: Login::Guest | Login::Subject { .. }, .. } => None,
    };
    Origin { words: credentials.to_string(), after, is_billed: false }
}

fn signer(name: Option<&str>, own: &str) -> String {
    name.map_or_else(|| own.to_owned(), |name| format!("credentials.{name}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const TEXT: &str = r#"
[tokens.hosted]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
domain = "acme"
client_id = "c"
client_secret = { env = "S" }
[tokens.operation]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
client_id = "c"
client_secret = { env = "S" }
[tokens.robot]
from = "cognito-user"
user_pool = "eu-west-1_AbCd12345"
client_id = "c"
username = "r"
password = { env = "P" }
[tokens.admin]
from = "cognito-user"
user_pool = "eu-west-1_AbCd12345"
client_id = "c"
username = "r"
password = { env = "P" }
flow = "admin-user-password"
[tokens.proof]
from = "sts"
audience = ["https://x"]
algorithm = "ES384"
as = "credentials.hub"
[tokens.partner]
from = "oauth2"
token_endpoint = "https://x"
client_id = "c"
client_auth = "token"
client_assertion = "tokens.proof"
[credentials.hub]
from = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/hub"
[credentials.pool]
from = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login = "tokens.robot"
[credentials.theirs]
from = "web-identity"
role_arn = "arn:aws:iam::111122223333:role/theirs"
token = "caller"
[credentials.guest]
from = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
"#;

    #[test]
    fn each_entry_names_the_one_before_it_and_whether_it_is_paid_for() {
        let config = Config::parse(Path::new("c.toml"), TEXT).unwrap_or_else(|problems| panic!("{problems}"));
        let token = |name: &str| of_token(&config.tokens[name], "own");
        let credentials = |name: &str| of_credentials(&config.credentials[name], "own");
        for (origin, after, is_billed) in [
            (token("hosted"), None, true),
            (token("operation"), None, true),
            (token("robot"), None, false),
            (token("admin"), Some("own"), false),
            (token("proof"), Some("credentials.hub"), false),
            (token("partner"), Some("tokens.proof"), false),
            (credentials("hub"), Some("own"), false),
            (credentials("pool"), Some("tokens.robot"), false),
            (credentials("guest"), None, false),
            (credentials("theirs"), None, false),
        ] {
            assert_eq!((origin.after.as_deref(), origin.is_billed), (after, is_billed), "{}", origin.words);
        }
    }
}
