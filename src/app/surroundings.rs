//! What the environment must not say, since secrets would go where they do not belong, or the broker would wait for itself.

use url::Url;

use super::CannotStart;
use crate::config;
use crate::environment::Environment;
use crate::http::listen::Socketed;

/// The variables that point the SDK somewhere else.
pub const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
];

/// The variables by which the SDK finds an identity over HTTP.
const IDENTITIES: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];

/// Secrets go to AWS or to this machine, never over plain http to another.
///
/// # Errors
/// The variable that sends them elsewhere.
pub fn endpoints_are_safe(environment: &Environment) -> Result<(), CannotStart> {
    for variable in ENDPOINTS {
        let Some(value) = environment.var(variable) else { continue };
        let fault = match Url::parse(value) {
            Err(cause) => format!("is not a URL: {cause}"),
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && config::is_loopback(&url)) => continue,
            Ok(_) => "must be an https URL; plain http is accepted for loopback only".to_owned(),
        };
        return Err(CannotStart::Environment { variable, fault });
    }
    Ok(())
}

/// The broker's own identity must not come from the broker: it would wait for itself.
///
/// # Errors
/// The variable that points at one of `sockets`.
pub fn not_ourselves<'a>(
    environment: &Environment,
    sockets: &(impl Iterator<Item = &'a Socketed> + Clone),
) -> Result<(), CannotStart> {
    for variable in IDENTITIES {
        let Some(url) = environment.var(variable).and_then(|value| Url::parse(value).ok()) else { continue };
        let ours = |socket: &Socketed| match socket {
            Socketed::Tcp(listener, _) => {
                listener.local_addr().is_ok_and(|own| Some(own.port()) == url.port_or_known_default())
            }
            Socketed::Unix(..) => false,
        };
        if config::is_loopback(&url) && sockets.clone().any(ours) {
            let fault =
                "points at this daemon itself; unset it for the daemon and give it an identity of its own".to_owned();
            return Err(CannotStart::Environment { variable, fault });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::listen::{self, Inherited};

    #[test]
    fn endpoints_are_https_or_here() {
        for (value, good) in [
            ("https://sts.example", true),
            ("http://127.0.0.1:5000", true),
            ("http://sts.example", false),
            ("sts.example", false),
        ] {
            let outcome = endpoints_are_safe(&Environment::from([("AWS_ENDPOINT_URL_STS", value)]));
            assert_eq!(outcome.is_ok(), good, "{value}");
        }
    }

    #[tokio::test]
    async fn a_daemon_does_not_ask_itself() {
        let inherited = Inherited::take(&Environment::default()).unwrap();
        let sockets = listen::open(&listen::Listen::Loopback(0), &mut inherited.offer()).unwrap();
        let name = sockets[0].name();
        for (variable, uri) in [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{name}/v1/credentials/x")),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{name}/")),
        ] {
            let own = Environment::from([(variable, uri.as_str())]);
            let error = not_ourselves(&own, &sockets.iter()).unwrap_err().to_string();
            assert!(error.contains("itself") && error.starts_with(variable), "{error}");
        }
        for (variable, uri) in [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
        ] {
            assert!(not_ourselves(&Environment::from([(variable, uri)]), &sockets.iter()).is_ok(), "{uri}");
        }
    }
}
