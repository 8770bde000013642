//! What the stages of a chain hand on to each other.

use std::collections::BTreeMap;

use crate::config::{ClientAuth, Credentials, CredentialsSource, Login, Token, TokenSource, WebToken};
use crate::refresh::schedule::Keep;
use crate::refresh::{Inputs, OnBehalfOf};

/// What an earlier stage of a chain depends on, the later ones depend on too.
pub fn inherit_inputs(tokens: &mut BTreeMap<String, Token>, credentials: &mut BTreeMap<String, Credentials>) {
    spread_inputs(tokens, credentials);
    // What is for the user of a subject token is fetched when one is brought, whatever the default says.
    for entry in credentials.values_mut().filter(|entry| entry.inputs.subject.is_some()) {
        entry.freshness.keep = Keep::Used;
    }
}

fn spread_inputs(tokens: &mut BTreeMap<String, Token>, credentials: &mut BTreeMap<String, Credentials>) {
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for token in tokens.values_mut() {
            let stages = token.source.credentials_needed().into_iter().filter_map(|name| credentials.get(name));
            let caller = stages.fold(token.inputs.caller, |caller, stage| caller || stage.inputs.caller);
            changed |= std::mem::replace(&mut token.inputs.caller, caller) != caller;
        }
        changed |= inherit_from_tokens(tokens);
        let names: Vec<String> = credentials.keys().cloned().collect();
        for name in names {
            changed |= inherit_one(&name, tokens, credentials);
        }
    }
}

fn inherit_from_tokens(tokens: &mut BTreeMap<String, Token>) -> bool {
    let of_caller: Vec<String> =
        tokens.iter().filter(|(_, token)| token.inputs.caller).map(|(name, _)| name.clone()).collect();
    let mut changed = false;
    for token in tokens.values_mut().filter(|token| !token.inputs.caller) {
        let needed = token.source.token_needed();
        if needed.is_some_and(|needed| of_caller.iter().any(|name| name == needed)) {
            token.inputs.caller = true;
            changed = true;
        }
    }
    changed
}

fn inherit_one(name: &str, tokens: &BTreeMap<String, Token>, all: &mut BTreeMap<String, Credentials>) -> bool {
    let Some(source) = all.get(name).map(|entry| &entry.source) else { return false };
    let by_token = source.token_needed().and_then(|name| tokens.get(name)).is_some_and(|token| token.inputs.caller);
    let stage = source.credentials_needed().and_then(|name| all.get(name));
    let (inputs, on_behalf_of) =
        stage.map_or((Inputs::default(), OnBehalfOf::Itself), |stage| (stage.inputs, stage.on_behalf_of.clone()));
    let Some(entry) = all.get_mut(name) else { return false };
    let before = (entry.inputs, entry.on_behalf_of.clone());
    entry.inputs.caller |= by_token || inputs.caller;
    if entry.inputs.subject.is_none() && inputs.subject.is_some() {
        entry.inputs.subject = inputs.subject;
        entry.on_behalf_of = on_behalf_of;
    }
    before != (entry.inputs, entry.on_behalf_of.clone())
}

impl TokenSource {
    /// The `credentials.NAME` it is signed with, if it names any.
    fn credentials_needed(&self) -> Option<&str> {
        match self {
            Self::IdentityToken { identity, .. } => identity.as_deref(),
            _ => None,
        }
    }

    /// The `tokens.NAME` it is asked with, if any.
    fn token_needed(&self) -> Option<&str> {
        match self {
            Self::TokenEndpoint { auth: ClientAuth::Token(name), .. } => Some(name),
            _ => None,
        }
    }
}

impl CredentialsSource {
    fn credentials_needed(&self) -> Option<&str> {
        match self {
            Self::AssumeRole { identity, .. } => identity.as_deref(),
            _ => None,
        }
    }

    fn token_needed(&self) -> Option<&str> {
        match self {
            Self::IdentityPool { login: Login::Token { name, .. }, .. }
            | Self::WebIdentity { token: WebToken::Held(name), .. } => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn what_is_for_the_user_of_a_subject_token_is_never_kept_always() {
        let text = "[refresh]\nkeep = \"always\"\n[credentials.theirs]\nfrom = \"web-identity\"\n\
                    role_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"caller\"\n\
                    [credentials.next]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/y\"\n\
                    as = \"credentials.theirs\"\n[credentials.ours]\nfrom = \"ambient\"\n";
        let credentials = Config::parse(Path::new("c.toml"), text).unwrap().credentials;
        let kept = |name: &str| credentials[name].freshness.keep == crate::refresh::schedule::Keep::Always;
        assert_eq!(["theirs", "next", "ours"].map(kept), [false, false, true]);
    }

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
        super::inherit_inputs(&mut tokens, &mut BTreeMap::new());
        assert!(tokens.values().all(|token| token.inputs.caller));
    }
}
