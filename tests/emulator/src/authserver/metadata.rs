//! What a server says of itself: RFC 8414, OpenID Connect Discovery, and its key set.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{algorithm, issuer, ring, server};
use crate::failure::Failure;
use crate::jwk;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::{AuthorizationServer, ClientAuth, Metadata};

/// `/.well-known/oauth-authorization-server/as/NAME`
pub(crate) fn rfc8414(request: &mut Request<'_>, name: &str) -> Outcome {
    let server = publishing(request, name, Metadata::Rfc8414)?;
    Ok(common(request, name, server))
}

/// `/as/NAME/.well-known/openid-configuration`
pub(crate) fn oidc(request: &mut Request<'_>, name: &str) -> Outcome {
    let server = publishing(request, name, Metadata::Oidc)?;
    let mut document = common(request, name, server);
    document["authorization_endpoint"] = json!(format!("{}/authorize", issuer(request.cloud, name)));
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!([algorithm(server).name()]);
    Ok(document)
}

/// `/as/NAME/jwks`
pub(crate) fn keys(request: &mut Request<'_>, name: &str) -> Outcome {
    let server = server(request, name)?;
    Ok(request.cloud.key_rings.jwks(&ring(name), &[algorithm(server)]))
}

fn publishing<'a>(request: &Request<'a>, name: &str, wanted: Metadata) -> Result<&'a AuthorizationServer, Failure> {
    let server = server(request, name)?;
    let missing = || Failure::new(404, "not_found", "this document is not published");
    if server.metadata.contains(&wanted) { Ok(server) } else { Err(missing()) }
}

fn common(request: &Request<'_>, name: &str, server: &AuthorizationServer) -> Value {
    let issuer = issuer(request.cloud, name);
    let methods: BTreeSet<&str> = server.clients.values().map(|client| method(client.auth)).collect();
    let scopes: BTreeSet<&String> = server.clients.values().flat_map(|client| &client.scopes).collect();
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": jwk::ALGORITHMS,
    })
}

/// The registered name; a federated assertion is sent as a client's own is.
fn method(auth: ClientAuth) -> &'static str {
    match auth {
        ClientAuth::ClientSecretBasic => "client_secret_basic",
        ClientAuth::ClientSecretPost => "client_secret_post",
        ClientAuth::PrivateKeyJwt | ClientAuth::Federated => "private_key_jwt",
    }
}
