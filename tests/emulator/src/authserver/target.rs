//! What a token is for: scopes, `audience`, and `resource` (RFC 8707).

use url::Url;

use super::form::Form;
use crate::failure::Failure;
use crate::request::Request;
use crate::world::OAuthClient;

/// The scopes granted: those asked, all the client's own when none are.
pub(super) fn scopes(client: &OAuthClient, asked: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(asked) = asked else {
        return Ok(client.scopes.clone());
    };
    let scopes: Vec<String> = asked.split(' ').map(str::to_owned).collect();
    let known = scopes.iter().all(|scope| client.scopes.contains(scope));
    if known { Ok(scopes) } else { Err(Failure::bad("invalid_scope", "")) }
}

/// The `aud` of the token: the targets asked for, the client's first audience or else the issuer when none are.
pub(super) fn audiences(
    request: &mut Request<'_>,
    client: &OAuthClient,
    form: &Form,
    issuer: &str,
) -> Result<Vec<String>, Failure> {
    let audience = form.optional("audience");
    let resources: Vec<&str> = form.all("resource").collect();
    request.asked.note("target_audience", audience);
    if !resources.is_empty() {
        request.asked.note("resources", resources.clone());
    }
    if audience.is_some_and(|asked| !client.audiences.iter().any(|own| own == asked)) {
        return Err(Failure::bad("invalid_target", "this audience is not the client's"));
    }
    for resource in &resources {
        let well_formed = Url::parse(resource).is_ok_and(|url| url.fragment().is_none());
        if !well_formed || !client.resources.iter().any(|own| own == resource) {
            return Err(Failure::bad("invalid_target", "this resource is not the client's, or not an absolute URI"));
        }
    }
    let asked: Vec<String> = audience.into_iter().chain(resources).map(str::to_owned).collect();
    if !asked.is_empty() {
        return Ok(asked);
    }
    Ok(vec![client.audiences.first().map_or(issuer, String::as_str).to_owned()])
}
