//! `from = "oauth2"`.

use super::super::{ClientAuth, Endpoint, TokenSource};
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
