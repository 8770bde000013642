//! `from = "oauth2"`.

use std::collections::BTreeMap;

use super::super::{ClientAuth, Endpoint, Token, TokenSource};
use super::{document, each, name_of, place};
use crate::source::keyring::Place;
use crate::source::signing_key::Algorithm;
use crate::source::token_endpoint::{self, PrivateKeyJwt};

/// The source that `table` describes.
pub fn source(table: document::Oauth2Token, scopes: Vec<String>) -> Option<TokenSource> {
    let auth = client_auth(&table)?;
    let endpoint = match (table.issuer, table.token_endpoint) {
        (Some(issuer), None) => Endpoint::OfIssuer(issuer.0),
        (None, Some(url)) => Endpoint::Fixed(url.0.0),
        _ => return None,
    };
    let client = token_endpoint::Config {
        client_id: table.client_id,
        scopes,
        audience: table.audience,
        resource: table.resource.into_iter().map(|resource| resource.0.0).collect(),
        parameters: table.parameters,
    };
    Some(TokenSource::TokenEndpoint { client, endpoint, auth })
}

fn client_auth(table: &document::Oauth2Token) -> Option<ClientAuth> {
    let secrets = || -> Option<Vec<Place>> { each(table.client_secret.as_ref()?).iter().map(place).collect() };
    Some(match table.client_auth {
        document::ClientAuth::Basic => ClientAuth::Basic(secrets()?),
        document::ClientAuth::Post => ClientAuth::Post(secrets()?),
        document::ClientAuth::PrivateKeyJwt => ClientAuth::PrivateKeyJwt(PrivateKeyJwt {
            key: place(table.private_key.as_ref()?)?,
            key_id: table.key_id.clone(),
            algorithm: table.algorithm.map(algorithm),
            audience: table.assertion_audience.clone(),
        }),
        document::ClientAuth::Token => ClientAuth::Token(name_of(table.client_assertion.as_ref()?)?.to_owned()),
    })
}

fn algorithm(named: document::SigningAlgorithm) -> Algorithm {
    match named {
        document::SigningAlgorithm::RS256 => Algorithm::Rs256,
        document::SigningAlgorithm::PS256 => Algorithm::Ps256,
        document::SigningAlgorithm::ES256 => Algorithm::Es256,
        document::SigningAlgorithm::ES384 => Algorithm::Es384,
        document::SigningAlgorithm::EdDSA => Algorithm::EdDsa,
    }
}

/// What a client's assertion depends on, the token it is exchanged for depends on too.
pub fn inherit_inputs(tokens: &mut BTreeMap<String, Token>) {
    let assertion = |token: &Token| match &token.source {
        TokenSource::TokenEndpoint { auth: ClientAuth::Token(name), .. } => Some(name.clone()),
        _ => None,
    };
    let needs: Vec<(String, String)> =
        tokens.iter().filter_map(|(name, token)| Some((name.clone(), assertion(token)?))).collect();
    // A chain is no longer than there are links.
    for _ in 0..needs.len() {
        for (name, earlier) in &needs {
            let caller = tokens.get(earlier).is_some_and(|earlier| earlier.inputs.caller);
            tokens.get_mut(name).into_iter().for_each(|token| token.inputs.caller |= caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn a_token_depends_on_the_caller_where_its_assertion_does_however_far_off() {
        let partner = |name: &str, earlier: &str| {
            format!(
                "[tokens.{name}]\nfrom = \"oauth2\"\ntoken_endpoint = \"https://x\"\nclient_id = \"c\"\nclient_auth = \"token\"\n\
                 client_assertion = \"tokens.{earlier}\"\n"
            )
        };
        let robot = "[tokens.z]\nfrom = \"cognito-user\"\nuser_pool = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\nusername = \"r\"\n\
                     password = { env = \"P\" }\n";
        let text = [partner("a", "b"), partner("b", "z"), robot.to_owned()].concat();
        let mut tokens = Config::parse(Path::new("c.toml"), &text).unwrap().tokens;
        assert!(tokens.values().all(|token| !token.inputs.caller));
        tokens.get_mut("z").unwrap().inputs.caller = true;
        super::inherit_inputs(&mut tokens);
        assert!(tokens.values().all(|token| token.inputs.caller));
    }
}
