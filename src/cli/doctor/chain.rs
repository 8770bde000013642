//! Which credentials each AWS SDK would pick in an environment: the documented order of its default chain, walked without asking
//! anybody.
//!
//! | | order |
//! |---|---|
//! | botocore (boto3, AWS CLI) | variables, profile with a role, web identity, profile, files of boto 2 and of the first EC2 tools, container, IMDS |
//! | JavaScript v3 | variables unless a profile is named, profile, web identity, container, or else IMDS |
//! | Rust | variables, profile, web identity, container, IMDS |
//! | Go v2, Java v2, .NET v4 | variables, web identity, profile, container, IMDS |
//! | .NET v3 | web identity, profile, variables, container, IMDS |
//!
//! The first that is configured is taken; where it then fails, most stop there. Over plain http the container provider takes
//! loopback addresses and `localhost`; other names only where they are resolved first, and nothing else but AWS's own addresses.

use url::{Host, Url};

use super::address::{is_fit, is_here, is_the_daemon};
use super::scene::Scene;
use crate::cli::sdk::profiles::{Way, chosen};
use crate::cli::sdk::variables::{
    DEFAULT_PROFILE, EC2_FILE, FULL_URI, KEYS, PROFILE, RELATIVE_URI, ROLE_ARN, WEB_IDENTITY_FILE,
};

const IMDS_OFF: &str = "AWS_EC2_METADATA_DISABLED";
const IMDS_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// The same in a profile.
const IMDS_ENDPOINT_KEY: &str = "ec2_metadata_service_endpoint";

/// SDKs that look in the same places in the same order.
#[derive(Debug)]
pub struct Family {
    /// What it is called.
    pub name: &'static str,
    chain: &'static [Link],
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Botocore,
    JavaScript,
    Rust,
    Go,
    Java,
    DotNet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Variables,
    ProfileWithRole,
    Profile,
    WebIdentity,
    OldFiles,
    Container,
    Imds,
}

/// The SDK that the daemon itself is built with.
pub const OWN: &str = "Rust";

use Link::{Container, Imds, OldFiles, Profile, ProfileWithRole, Variables, WebIdentity};

/// Every family that is known.
pub const FAMILIES: [Family; 7] = [
    Family {
        name: "boto3, AWS CLI",
        chain: &[Variables, ProfileWithRole, WebIdentity, Profile, OldFiles, Container, Imds],
        kind: Kind::Botocore,
    },
    Family {
        name: "JavaScript v3",
        chain: &[Variables, Profile, WebIdentity, Container, Imds],
        kind: Kind::JavaScript,
    },
    Family { name: OWN, chain: &[Variables, Profile, WebIdentity, Container, Imds], kind: Kind::Rust },
    Family { name: "Go v2", chain: &[Variables, WebIdentity, Profile, Container, Imds], kind: Kind::Go },
    Family { name: "Java v2", chain: &[Variables, WebIdentity, Profile, Container, Imds], kind: Kind::Java },
    Family { name: ".NET v4", chain: &[Variables, WebIdentity, Profile, Container, Imds], kind: Kind::DotNet },
    Family { name: ".NET v3", chain: &[WebIdentity, Profile, Variables, Container, Imds], kind: Kind::DotNet },
];

/// What an SDK would pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Whose credentials it gets.
    pub from: Whose,
    /// What it takes, in words.
    pub takes: String,
    /// Why.
    pub because: String,
}

/// Whose credentials an SDK gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The daemon's.
    Daemon,
    /// Others.
    Elsewhere,
    /// None: it fails.
    Nowhere,
}

impl Pick {
    fn new(from: Whose, takes: impl Into<String>, because: impl Into<String>) -> Self {
        Self { from, takes: takes.into(), because: because.into() }
    }
}

impl Family {
    /// What it would pick in `scene`.
    pub fn pick(&self, scene: &Scene) -> Pick {
        let picked = self.chain.iter().find_map(|link| self.at(*link, scene));
        picked.unwrap_or_else(|| Pick::new(Whose::Nowhere, "nothing", "nothing is configured that it knows"))
    }

    fn at(&self, link: Link, scene: &Scene) -> Option<Pick> {
        match link {
            Variables => self.variables(scene),
            ProfileWithRole => self.profile(scene).filter(|_| matches!(self.way(scene), Some(Way::Role))),
            Profile => self.profile(scene),
            WebIdentity => self.web_identity(scene),
            OldFiles => old_files(scene),
            Container => self.container(scene),
            Imds => Some(self.imds(scene)),
        }
    }

    fn variables(&self, scene: &Scene) -> Option<Pick> {
        let set = |name: &str| scene.environment.var(name).is_some();
        if self.kind == Kind::JavaScript && set(PROFILE) {
            return None;
        }
        let known = if self.kind == Kind::Go { &KEYS[..] } else { &KEYS[..1] };
        if let Some((id, _)) = known.iter().find(|(id, secret)| set(id) && set(secret)) {
            return Some(Pick::new(Whose::Elsewhere, "a key in the environment", format!("{id} is set")));
        }
        let [(id, secret), _] = KEYS;
        let fails = self.kind == Kind::Botocore && set(id);
        fails.then(|| Pick::new(Whose::Nowhere, "nothing", format!("{id} is set without {secret}")))
    }

    fn web_identity(&self, scene: &Scene) -> Option<Pick> {
        let set = |name: &str| scene.environment.var(name).is_some();
        match (set(WEB_IDENTITY_FILE), set(ROLE_ARN)) {
            (true, true) => {
                let because = format!("{WEB_IDENTITY_FILE} and {ROLE_ARN} are set");
                Some(Pick::new(Whose::Elsewhere, "a role for a web identity", because))
            }
            (true, false) if self.kind == Kind::Botocore => {
                Some(Pick::new(Whose::Nowhere, "nothing", format!("{WEB_IDENTITY_FILE} is set without {ROLE_ARN}")))
            }
            _ => None,
        }
    }

    fn chosen<'a>(&self, scene: &'a Scene) -> &'a str {
        chosen(&scene.environment, self.kind == Kind::Botocore)
    }

    fn way(&self, scene: &Scene) -> Option<Way> {
        scene.profiles.named(self.chosen(scene))?.way()
    }

    fn profile(&self, scene: &Scene) -> Option<Pick> {
        let name = self.chosen(scene);
        let Some(profile) = scene.profiles.named(name) else {
            let fails = name != "default" && matches!(self.kind, Kind::Botocore | Kind::Go);
            let by = if scene.environment.var(DEFAULT_PROFILE).is_some() && self.kind == Kind::Botocore {
                DEFAULT_PROFILE
            } else {
                PROFILE
            };
            return fails.then(|| {
                Pick::new(Whose::Nowhere, "nothing", format!("{by} names the profile {name}, which is in neither file"))
            });
        };
        let way = profile.way()?;
        let files: Vec<_> = profile.files.iter().map(|path| path.display().to_string()).collect();
        let because = format!("the profile {name} in {} has {}", files.join(" and "), way.words());
        Some(if way.is_credbroker() {
            Pick::new(Whose::Daemon, "the daemon, by credbroker credentials", because)
        } else {
            Pick::new(Whose::Elsewhere, format!("the profile {name}"), because)
        })
    }

    fn container(&self, scene: &Scene) -> Option<Pick> {
        let is_set = |name: &str| match self.kind {
            // Whatever it says: an empty value is a value there.
            Kind::Botocore | Kind::Rust => scene.environment.is_set(name),
            _ => scene.environment.var(name).is_some(),
        };
        if is_set(RELATIVE_URI) && scene.environment.var(RELATIVE_URI).is_none() {
            let because = format!("{RELATIVE_URI} is set to nothing, which it takes for a value");
            return Some(Pick::new(Whose::Nowhere, "nothing", because));
        }
        if is_set(RELATIVE_URI) {
            let because = format!("{RELATIVE_URI} is set, and goes before {FULL_URI}");
            return Some(Pick::new(Whose::Elsewhere, "the role of the ECS task", because));
        }
        if !is_set(FULL_URI) {
            return None;
        }
        let nothing = |because: String| Some(Pick::new(Whose::Nowhere, "nothing", because));
        let Some(url) = scene.environment.var(FULL_URI).and_then(|url| Url::parse(url).ok()) else {
            return nothing(format!("{FULL_URI} is not a URL"));
        };
        if !self.accepts(&url) {
            return nothing(format!("it does not accept the address in {FULL_URI}: write http://127.0.0.1:PORT/…"));
        }
        Some(if is_the_daemon(&url) {
            Pick::new(Whose::Daemon, "the daemon", format!("{FULL_URI} is the first it finds"))
        } else {
            Pick::new(Whose::Elsewhere, "the server in FULL_URI", format!("{FULL_URI} is not the daemon's"))
        })
    }

    /// Does it send a request for credentials there?
    fn accepts(&self, url: &Url) -> bool {
        let resolves = matches!(self.kind, Kind::Rust | Kind::Go | Kind::Java);
        match (url.scheme(), url.host()) {
            ("https", _) => true,
            ("http", Some(Host::Domain(name))) => name == "localhost" || resolves,
            ("http", Some(Host::Ipv4(v4))) => is_fit(v4.into()),
            ("http", Some(Host::Ipv6(v6))) => is_fit(v6.into()),
            _ => false,
        }
    }

    fn imds(&self, scene: &Scene) -> Pick {
        let off = scene.environment.var(IMDS_OFF).unwrap_or("false").to_lowercase();
        if off == "true" || (self.kind == Kind::JavaScript && off != "false") {
            return Pick::new(Whose::Nowhere, "nothing", format!("nothing else is configured, and {IMDS_OFF} is set"));
        }
        let name = self.chosen(scene);
        let by_profile = || {
            let endpoint = scene.profiles.named(name)?.settings.get(IMDS_ENDPOINT_KEY).cloned()?;
            Some((endpoint, format!("{IMDS_ENDPOINT_KEY} of the profile {name}")))
        };
        let by_variable = scene.environment.var(IMDS_ENDPOINT).map(|url| (url.to_owned(), IMDS_ENDPOINT.to_owned()));
        let Some((endpoint, said_by)) = by_variable.or_else(by_profile) else {
            return Pick::new(Whose::Elsewhere, "IMDS, the role of the machine", "nothing else is configured");
        };
        if Url::parse(&endpoint).is_ok_and(|url| is_here(&url)) {
            let because = format!("{said_by} is an address of this machine");
            return Pick::new(Whose::Daemon, "the daemon's IMDS listener", because);
        }
        Pick::new(Whose::Elsewhere, "IMDS", format!("{said_by} is set"))
    }
}

fn old_files(scene: &Scene) -> Option<Pick> {
    if scene.environment.var(EC2_FILE).is_some() {
        return Some(Pick::new(Whose::Elsewhere, "a key in a file", format!("{EC2_FILE} is set")));
    }
    let path = scene.profiles.boto.as_ref()?;
    Some(Pick::new(Whose::Elsewhere, "a key in a file of boto 2", format!("{} has one", path.display())))
}
