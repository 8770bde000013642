//! The resolved configuration as a table for people: what `credbroker check` prints.

use std::fmt;
use std::time::Duration;

use super::{
    ClientAuth, Config, Credentials, CredentialsSource, Egress, Endpoint, Issuer, IssuerKeys, Login, Token,
    TokenSource, WebToken,
};
use crate::egress;
use crate::files::{self, Of};
use crate::ops::audit;
use crate::policy::directory;
use crate::refresh::schedule::{Freshness, Keep};
use crate::source::identity_pool::Flow;
use crate::source::keyring::Place;
use crate::verify::Kind;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listen: Vec<String> = self.server.listen.iter().map(ToString::to_string).collect();
        row(f, "listen", &listen.join(", "))?;
        if let Some(admin) = self.server.admin_listen {
            row(f, "admin_listen", &admin.to_string())?;
        }
        row(f, "drain", &period(self.server.drain))?;
        row(f, "max_connections", &self.server.max_connections.to_string())?;
        row(f, "aws.region", self.aws.region.as_deref().unwrap_or("by the SDK's chain"))?;
        row(f, "aws.profile", self.aws.profile.as_deref().unwrap_or("by the SDK's chain"))?;
        row(f, "status.cognito_fee_per_1000", &format!("${}", self.cognito_fee_per_1000))?;
        row(f, "audit", &self.audit.to_string())?;
        for (name, token) in &self.tokens {
            row(f, &format!("tokens.{name}"), &token.to_string())?;
            row(f, "", &token.freshness.to_string())?;
        }
        for (name, credentials) in &self.credentials {
            row(f, &format!("credentials.{name}"), &credentials.to_string())?;
            row(f, "", &credentials.freshness.to_string())?;
        }
        for caller in &self.callers {
            row(f, &format!("callers.{}", caller.name), &caller.to_string())?;
        }
        for (name, issuer) in &self.issuers {
            row(f, &format!("issuers.{name}"), &issuer.to_string())?;
        }
        if let Some(imds) = &self.imds {
            let what = format!("credentials.{} for callers.{} at {}", imds.credentials, imds.caller, imds.listen);
            row(f, "imds", &what)?;
        }
        for (name, file) in &self.files {
            row(f, &format!("files.{name}"), &file.to_string())?;
        }
        for egress in &self.egress {
            row(f, &format!("egress.{}", egress.forward.name), &egress.to_string())?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "{name:<28} {value}")
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            TokenSource::TokenEndpoint { client, endpoint, auth } => {
                write!(f, "{endpoint}, client {}, {auth}", client.client_id)?;
            }
            TokenSource::ClientToken(config) => {
                write!(
                    f,
                    "cognito, GetClientToken in {}, client {}, secret in {}",
                    config.region,
                    config.client_id,
                    places(&config.client_secret)
                )?;
            }
            TokenSource::IdentityToken { token, identity } => {
                let own = "the broker's own identity".to_owned();
                let identity = identity.as_ref().map_or(own, |name| format!("credentials.{name}"));
                write!(f, "sts, {} for {} as {identity}", token.algorithm, token.audience.join(" "))?;
            }
            TokenSource::MachineUser(config) => {
                let kind = format!("{:?}", config.hand_out).to_lowercase();
                write!(
                    f,
                    "cognito-user, {kind} token of {} by {}, client {}, password in {}",
                    config.username,
                    config.flow.as_str(),
                    config.client_id,
                    config.password
                )?;
            }
        }
        match &self.scopes[..] {
            [] => Ok(()),
            scopes => write!(f, ", scopes {}", scopes.join(" ")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cognito(url) => write!(f, "cognito, {url}"),
            Self::Fixed(url) => write!(f, "oauth2, {url}"),
            Self::OfIssuer(issuer) => write!(f, "oauth2, issuer {}", issuer.spelled),
        }
    }
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(secrets) => write!(f, "secret in {}", places(secrets)),
            Self::Post(secrets) => write!(f, "secret (post) in {}", places(secrets)),
            Self::PrivateKeyJwt(jwt) => write!(f, "private key in {}", jwt.key),
            Self::Token(name) => write!(f, "assertion tokens.{name}"),
        }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            CredentialsSource::Ambient => f.write_str("ambient: the broker's own identity"),
            CredentialsSource::AssumeRole { role, identity } => {
                let own = "the broker's own identity".to_owned();
                let identity = identity.as_ref().map_or(own, |name| format!("credentials.{name}"));
                write!(f, "assume-role {} as {identity}, session {}", role.role_arn, role.session_name)?;
                role.duration.map_or(Ok(()), |duration| write!(f, ", for {}", period(duration)))
            }
            CredentialsSource::WebIdentity { role, token } => {
                write!(f, "web-identity {}, ", role.role_arn)?;
                match token {
                    WebToken::Held(name) => write!(f, "token tokens.{name}"),
                    WebToken::File(path) => write!(f, "token in file {}", path.display()),
                    WebToken::Subject => f.write_str("token of the subject"),
                }
            }
            CredentialsSource::IdentityPool { pool, login } => {
                write!(f, "identity-pool {}, ", pool.identity_pool)?;
                if let Flow::Basic(role) = &pool.flow {
                    write!(f, "basic flow to {}, ", role.role_arn)?;
                }
                match login {
                    Login::Guest => f.write_str("as a guest"),
                    Login::Token { name, .. } => write!(f, "login tokens.{name}"),
                    Login::Subject { provider } => write!(f, "login of the subject token's user at {provider}"),
                    Login::Developer(user) => write!(f, "developer identity {} of {}", user.name, user.provider),
                }
            }
        }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.asked.kind {
            Kind::CognitoAccess => "access tokens",
            Kind::CognitoId => "ID tokens",
            Kind::Generic => "tokens",
        };
        write!(f, "{kind} of {}, keys ", self.asked.issuers.join(" or "))?;
        match &self.keys {
            IssuerKeys::UserPool { id, .. } => write!(f, "of user pool {id}")?,
            IssuerKeys::At(url) => write!(f, "at {url}")?,
            IssuerKeys::Discovered(_) => f.write_str("where its metadata says")?,
        }
        for (word, accepted) in [("clients", &self.asked.clients), ("audience", &self.asked.audience)] {
            let all = if accepted.is_empty() { "any".to_owned() } else { accepted.join(" ") };
            if word == "clients" || self.asked.kind == Kind::Generic {
                write!(f, ", {word} {all}")?;
            }
        }
        if !self.asked.scopes.is_empty() {
            write!(f, ", scopes {}", self.asked.scopes.join(" "))?;
        }
        write!(f, ", leeway {}", period(self.asked.leeway))
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let egress::Config { upstream, added, caller, idle, .. } = &self.forward;
        write!(f, "{} to {upstream} with {added}, for callers.{caller}, idle at most {}", self.listen, period(*idle))
    }
}

impl fmt::Display for files::Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Of::Token(name, format) => write!(f, "tokens.{name} as {}", format.as_str())?,
            Of::Credentials(name, format) => write!(f, "credentials.{name} as {}", format.as_str())?,
        }
        write!(f, " in {}, mode {:04o}", self.path.display(), self.mode)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ", group {group}"))
    }
}

impl fmt::Display for audit::Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_ref().map_or_else(|| "a random key".to_owned(), |key| format!("the key in the {key}"));
        write!(f, "{}; fingerprints with {key}", self.to)
    }
}

impl fmt::Display for directory::Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factors = Vec::new();
        match &self.token {
            Some(directory::Token::File(path)) => factors.push(format!("token in {}", path.display())),
            Some(directory::Token::Digest(_)) => factors.push("token by its SHA-256".to_owned()),
            Some(directory::Token::Generated(config)) => {
                factors.push(format!("token generated every {} in {config}", period(config.every)));
            }
            None => {}
        }
        for (what, id) in [("uid", &self.uid), ("gid", &self.gid)] {
            match id {
                Some(directory::Id::Number(number)) => factors.push(format!("{what} {number}")),
                Some(directory::Id::Name(name)) => factors.push(format!("{what} {name}")),
                None => {}
            }
        }
        if let Some(unit) = &self.unit {
            factors.push(format!("unit {unit}"));
        }
        let known = if factors.is_empty() { "everybody else".to_owned() } else { factors.join(" and ") };
        let allow: Vec<String> = self.allow.iter().map(ToString::to_string).collect();
        write!(
            f,
            "known by {known}; may have {}",
            if allow.is_empty() { "nothing".to_owned() } else { allow.join(", ") }
        )?;
        self.requests_per_second.map_or(Ok(()), |most| write!(f, "; at most {most} requests a second"))
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep = match self.keep {
            Keep::Used => "while used",
            Keep::Always => "always",
        };
        let hour = Duration::from_secs(3_600);
        write!(
            f,
            "renewed {keep}, after {:.0} % of the lifetime; 1h of it bridges an outage of {}",
            self.ahead * 100.0,
            period(self.guaranteed_cover(hour))
        )?;
        match self.outage_cover.filter(|wanted| *wanted > self.guaranteed_cover(hour)) {
            Some(wanted) => write!(f, " (a longer lifetime is needed for {})", period(wanted)),
            None => Ok(()),
        }
    }
}

/// A duration as the configuration writes it.
fn period(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// Where a secret is, or two.
fn places(places: &[Place]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", else ")
}
