//! The environment in which every AWS SDK asks the daemon, made out of the one that there is.
//!
//! Three things come before the container provider in some chain or other: variables, which are taken away; the profile, which
//! is `[default]` without `AWS_PROFILE`; and the file of boto 2. Files that hold credentials cannot be changed for one program, so they
//! are hidden from it: an SDK takes `/dev/null` for a file without profiles. What else the profile in effect says and a variable
//! can say too, such as the region, is said by that variable instead.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::cli::sdk::profiles::{Profile, Profiles};
use crate::cli::sdk::variables::{
    BOTO_FILE, CONFIG_FILE, CREDENTIALS_FILE, DEFAULT_PROFILE, FULL_URI, PROFILE, SHADOWING, TOKEN, TOKEN_FILE,
};
use crate::environment::Environment;

const NO_FILE: &str = "/dev/null";

/// What a caller that is known by its uid alone shows: over TCP the daemon wants to see that it is asked on purpose, and SDKs send no
/// other header.
pub const NO_SECRET: &str = "credbroker";

/// The settings of a profile that have variables of their own.
const CARRIED: [(&str, &[&str]); 10] = [
    ("region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("output", &["AWS_DEFAULT_OUTPUT"]),
    ("ca_bundle", &["AWS_CA_BUNDLE"]),
    ("endpoint_url", &["AWS_ENDPOINT_URL"]),
    ("retry_mode", &["AWS_RETRY_MODE"]),
    ("max_attempts", &["AWS_MAX_ATTEMPTS"]),
    ("use_fips_endpoint", &["AWS_USE_FIPS_ENDPOINT"]),
    ("use_dualstack_endpoint", &["AWS_USE_DUALSTACK_ENDPOINT"]),
    ("defaults_mode", &["AWS_DEFAULTS_MODE"]),
    ("sts_regional_endpoints", &["AWS_STS_REGIONAL_ENDPOINTS"]),
];

const PROXIES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// What the command shows the daemon.
#[derive(Clone, Debug)]
pub enum Proof {
    /// What is in this file each time.
    File(PathBuf),
    /// This.
    Value(SecretString),
    /// Nothing: it is known by its uid.
    Uid,
}

/// What is different for the command.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Variables taken away, before others are set.
    pub removed: Vec<&'static str>,
    /// Variables set.
    pub set: BTreeMap<&'static str, String>,
    /// Variables set to what nobody else may see.
    pub secret: Vec<(String, SecretString)>,
}

/// The surroundings in which `uri` is asked for credentials with `proof`, by every SDK.
pub fn surroundings(environment: &Environment, profiles: &Profiles, uri: &str, proof: &Proof) -> Surroundings {
    let mut made = Surroundings { removed: SHADOWING.to_vec(), ..Surroundings::default() };
    let named = environment.var(PROFILE).or_else(|| environment.var(DEFAULT_PROFILE));
    let default_shadows = profiles.named("default").is_some_and(|profile| profile.way().is_some());
    if default_shadows {
        made.set.insert(CONFIG_FILE, NO_FILE.to_owned());
        made.set.insert(CREDENTIALS_FILE, NO_FILE.to_owned());
    }
    if profiles.boto.is_some() {
        made.set.insert(BOTO_FILE, NO_FILE.to_owned());
    }
    if default_shadows || named.is_some() {
        let in_effect = profiles.named(named.unwrap_or("default")).unwrap_or_default();
        made.carry(environment, &in_effect);
    }
    made.stay_off_proxies(environment);
    made.set.insert(FULL_URI, uri.to_owned());
    match proof {
        Proof::File(path) => {
            made.set.insert(TOKEN_FILE, path.display().to_string());
        }
        Proof::Value(value) => made.secret.push((TOKEN.to_owned(), value.clone())),
        Proof::Uid => {
            made.set.insert(TOKEN, NO_SECRET.to_owned());
        }
    }
    made
}

impl Surroundings {
    fn carry(&mut self, environment: &Environment, profile: &Profile) {
        for (key, variables) in CARRIED {
            let Some(value) = profile.settings.get(key) else { continue };
            for variable in variables.iter().filter(|variable| environment.var(variable).is_none()) {
                self.set.insert(variable, value.clone());
            }
        }
    }

    /// Some SDKs' HTTP clients would send the request for credentials to a proxy.
    fn stay_off_proxies(&mut self, environment: &Environment) {
        if PROXIES.iter().all(|name| environment.var(name).is_none()) {
            return;
        }
        for (variable, other) in [("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")] {
            let given = environment.var(variable).or_else(|| environment.var(other)).unwrap_or_default();
            let mut items: Vec<&str> = given.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            if !items.contains(&"*") {
                items.extend(LOOPBACK.iter().filter(|host| !given.split(',').any(|item| item.trim() == **host)));
            }
            self.set.insert(variable, items.join(","));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const URI: &str = "http://127.0.0.1:2778/v1/credentials/orders";

    /// With these two files in the home directory.
    fn with(environment: &Environment, config: &str, credentials: &str) -> Surroundings {
        surroundings(environment, &Profiles::of_home(environment, config, credentials), URI, &Proof::Uid)
    }

    #[test]
    fn what_the_command_shows_is_set_and_what_else_it_might_is_gone() {
        let file = Proof::File(Path::new("/run/orders").to_owned());
        let made = surroundings(&Environment::default(), &Profiles::default(), URI, &file);
        assert_eq!(made.set, BTreeMap::from([(FULL_URI, URI.to_owned()), (TOKEN_FILE, "/run/orders".to_owned())]));
        for gone in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", TOKEN, "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "BOTO_CONFIG"]
        {
            assert!(made.removed.contains(&gone), "{gone}");
        }
        let value = surroundings(&Environment::default(), &Profiles::default(), URI, &Proof::Value("t".into()));
        assert_eq!((value.set.len(), value.secret[0].0.as_str()), (1, TOKEN));
    }

    #[test]
    fn files_are_hidden_only_where_they_would_shadow() {
        let harmless =
            with(&Environment::default(), "[default]\nregion = eu-west-1\n", "[other]\naws_access_key_id = A\n");
        assert!(!harmless.set.contains_key(CONFIG_FILE) && !harmless.set.contains_key("AWS_REGION"));
        for (config, credentials) in [
            ("[default]\ncredential_process = x\n", ""),
            ("[profile default]\nrole_arn = r\n", ""),
            ("", "[default]\naws_access_key_id = A\n"),
        ] {
            let made = with(&Environment::default(), config, credentials);
            assert_eq!(
                (&*made.set[CONFIG_FILE], &*made.set[CREDENTIALS_FILE]),
                (NO_FILE, NO_FILE),
                "{config}{credentials}"
            );
        }
    }

    #[test]
    fn what_else_the_profile_in_effect_says_is_carried_over() {
        let config =
            "[default]\nregion = eu-west-1\nretry_mode = adaptive\nsso_session = s\n[profile p]\nregion = us-east-1\n";
        let made = with(&Environment::from([("AWS_REGION", "ca-west-1")]), config, "");
        assert!(!made.set.contains_key("AWS_REGION"), "the variable says it already");
        assert_eq!((&*made.set["AWS_DEFAULT_REGION"], &*made.set["AWS_RETRY_MODE"]), ("eu-west-1", "adaptive"));
        let named = with(&Environment::from([("AWS_PROFILE", "p")]), config, "");
        assert_eq!(named.set["AWS_REGION"], "us-east-1");
        assert!(!named.set.contains_key("AWS_RETRY_MODE"));
    }

    #[test]
    fn the_daemon_is_asked_past_every_proxy() {
        let none = with(&Environment::from([("HTTPS_PROXY", "http://p:1")]), "", "");
        assert!(!none.set.contains_key("NO_PROXY"), "it is not for plain http");
        let some =
            with(&Environment::from([("http_proxy", "http://p:1"), ("NO_PROXY", "a.example, 127.0.0.1")]), "", "");
        assert_eq!(some.set["no_proxy"], "a.example,127.0.0.1,localhost,::1");
        assert_eq!(some.set["NO_PROXY"], some.set["no_proxy"]);
        let all = with(&Environment::from([("ALL_PROXY", "http://p:1"), ("no_proxy", "*")]), "", "");
        assert_eq!(all.set["no_proxy"], "*");
    }
}
