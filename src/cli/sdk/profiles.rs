//! The profile files of AWS SDKs, read for what they say about credentials; no secret in them is kept.
//!
//! `~/.aws/config` (`AWS_CONFIG_FILE`) names profiles `[profile NAME]` and `[default]`, `~/.aws/credentials`
//! (`AWS_SHARED_CREDENTIALS_FILE`) names them `[NAME]`; where both have a key, the latter's counts. Lines are `key = value`, comments
//! begin with `#` or `;`, and an indented line belongs to the nested value above it. Keys are in any case, names are not.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::variables::{BOTO_FILE, CONFIG_FILE, CREDENTIALS_FILE, DEFAULT_PROFILE, PROFILE};
use crate::environment::Environment;
use crate::file;

/// No profile file is larger than this, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// What the profile files say.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    /// Where the configuration file would be, and its profiles.
    pub config: SharedFile,
    /// Where the credentials file would be, and its profiles.
    pub credentials: SharedFile,
    /// The file of boto 2 that holds a key, if there is one.
    pub boto: Option<PathBuf>,
}

/// One of the two files; empty if it is not there.
#[derive(Clone, Debug, Default)]
pub struct SharedFile {
    path: PathBuf,
    profiles: BTreeMap<String, Settings>,
    /// Why it cannot be read, though it is there.
    pub fault: Option<String>,
}

/// The settings of one profile. Of keys and their secrets it is kept only that they are there.
pub type Settings = BTreeMap<String, String>;

/// A profile as both files together have it.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Its settings.
    pub settings: Settings,
    /// The files it is in.
    pub files: Vec<PathBuf>,
}

/// How a profile gives credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a role that is assumed with other credentials.
    Role,
    /// By a role for a web identity.
    WebIdentity,
    /// By IAM Identity Center.
    SingleSignOn,
    /// By a key in the file.
    Keys,
    /// By a login of `aws login`.
    Login,
    /// By what this command prints.
    Process(String),
}

impl Way {
    /// In words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Role => "a role to assume",
            Self::WebIdentity => "a role for a web identity",
            Self::SingleSignOn => "a login by IAM Identity Center",
            Self::Keys => "a static key",
            Self::Login => "a login by aws login",
            Self::Process(_) => "a credential_process",
        }
    }

    /// Is it this program, which asks the daemon?
    pub fn is_credbroker(&self) -> bool {
        let Self::Process(command) = self else { return false };
        let mut words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        words.any(|word| Path::new(word).file_name().is_some_and(|name| name == "credbroker"))
            && words.any(|word| word == "credentials")
    }
}

impl Profiles {
    /// Reads the files that an SDK would read in `environment`, where `home` is the user's directory.
    pub fn read(environment: &Environment, home: Option<&Path>) -> Self {
        let at_home = |name: &str| home.map(|home| home.join(name)).unwrap_or_default();
        let place = |variable: &str, name: &str| {
            environment.var(variable).map_or_else(|| at_home(name), |path| expanded(path, home))
        };
        let boto = match environment.var(BOTO_FILE) {
            Some(path) => vec![expanded(path, home)],
            None => vec!["/etc/boto.cfg".into(), at_home(".boto")],
        };
        Self {
            config: SharedFile::read(place(CONFIG_FILE, ".aws/config"), config_name),
            credentials: SharedFile::read(place(CREDENTIALS_FILE, ".aws/credentials"), |name| Some(name.to_owned())),
            boto: boto.into_iter().find(|path| has_boto_key(path)),
        }
    }

    /// The profile `name`, if either file has it.
    pub fn named(&self, name: &str) -> Option<Profile> {
        let mut profile = Profile::default();
        for file in [&self.config, &self.credentials] {
            if let Some(settings) = file.profiles.get(name) {
                profile.files.push(file.path.clone());
                profile.settings.extend(settings.clone());
            }
        }
        (!profile.files.is_empty()).then_some(profile)
    }
}

/// The profile that a program picks by itself: botocore looks at one more variable than the others.
pub fn chosen(environment: &Environment, botocore: bool) -> &str {
    let of_botocore = botocore.then(|| environment.var(DEFAULT_PROFILE)).flatten();
    of_botocore.or_else(|| environment.var(PROFILE)).unwrap_or("default")
}

impl Profile {
    /// How it gives credentials, if it does.
    pub fn way(&self) -> Option<Way> {
        let has = |key: &str| self.settings.contains_key(key);
        if has("role_arn") {
            return Some(if has("web_identity_token_file") { Way::WebIdentity } else { Way::Role });
        }
        if ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"].into_iter().any(has) {
            return Some(Way::SingleSignOn);
        }
        if has("aws_access_key_id") {
            return Some(Way::Keys);
        }
        if has("login_session") {
            return Some(Way::Login);
        }
        self.settings.get("credential_process").map(|command| Way::Process(command.clone()))
    }
}

impl SharedFile {
    fn read(path: PathBuf, name: impl Fn(&str) -> Option<String>) -> Self {
        match file::read(&path, LONGEST) {
            Ok(bytes) => Self { profiles: parsed(&String::from_utf8_lossy(&bytes), name), path, fault: None },
            // A device such as /dev/null stands for no file. At a pipe some SDKs wait for ever.
            Err(file::Unreadable::NotPlain) if !is_pipe(&path) => Self { path, ..Self::default() },
            Err(file::Unreadable::System(cause)) if cause.kind() == std::io::ErrorKind::NotFound => {
                Self { path, ..Self::default() }
            }
            Err(cause) => Self { fault: Some(format!("{} {cause}", path.display())), path, ..Self::default() },
        }
    }
}

fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| there.file_type().is_fifo())
}

/// A profile's name in the configuration file.
fn config_name(section: &str) -> Option<String> {
    if section == "default" {
        return Some(section.to_owned());
    }
    let (kind, name) = section.split_once(char::is_whitespace)?;
    let name = name.trim().trim_matches(['"', '\'']);
    (kind == "profile").then(|| name.to_owned())
}

fn parsed(text: &str, name: impl Fn(&str) -> Option<String>) -> BTreeMap<String, Settings> {
    let mut profiles = BTreeMap::<String, Settings>::new();
    let mut current = None;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            current = name(section);
            if let Some(name) = &current {
                profiles.entry(name.clone()).or_default();
            }
        } else if let (Some(profile), Some((key, value)), false) =
            (current.as_ref().and_then(|name| profiles.get_mut(name)), line.split_once('='), is_indented)
        {
            let key = key.trim().to_lowercase();
            let value = value.trim();
            if !value.is_empty() {
                let kept = if is_secret(&key) { String::new() } else { value.to_owned() };
                profile.insert(key, kept);
            }
        }
    }
    profiles
}

/// What a file may hold that is nobody's business here.
fn is_secret(key: &str) -> bool {
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"].contains(&key)
}

/// Does botocore find a key in this file of boto 2?
fn has_boto_key(path: &Path) -> bool {
    let read = SharedFile::read(path.to_owned(), |name| Some(name.to_owned()));
    read.profiles.get("Credentials").is_some_and(|settings| settings.contains_key("aws_access_key_id"))
}

fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

#[cfg(test)]
impl Profiles {
    /// Those that are found beside `environment` in a home directory with these two files.
    pub fn of_home(environment: &Environment, config: &str, credentials: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        Self::read(environment, Some(home.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        Profiles::of_home(&Environment::default(), config, credentials)
    }

    #[test]
    fn both_files_make_one_profile() {
        let files = profiles(
            "[default]\nregion = eu-west-1\n[profile  \"work\"]\nregion=us-east-1 ; no comment\n[sso-session x]\nsso_start_url = u\n",
            "# mine\n[default]\nAWS_Access_Key_Id = AKIA\naws_secret_access_key = hush\n[other]\n",
        );
        let default = files.named("default").unwrap();
        assert_eq!((default.way(), default.files.len()), (Some(Way::Keys), 2));
        assert_eq!(default.settings["region"], "eu-west-1");
        assert!(!format!("{files:?}").contains("hush") && !format!("{files:?}").contains("AKIA"));
        assert!(files.named("work").unwrap().way().is_none() && files.named("other").is_some());
        assert!(files.named("x").is_none() && files.named("none").is_none());
    }

    #[test]
    fn each_way_is_told() {
        for (lines, way) in [
            ("region = x", None),
            ("s3 =\n  aws_access_key_id = nested", None),
            ("aws_access_key_id =", None),
            ("role_arn = r\nsource_profile = default", Some(Way::Role)),
            ("role_arn = r\nweb_identity_token_file = f", Some(Way::WebIdentity)),
            ("sso_session = s", Some(Way::SingleSignOn)),
            ("login_session = s", Some(Way::Login)),
            ("credential_process = /bin/x y", Some(Way::Process("/bin/x y".into()))),
            ("aws_access_key_id = A\naws_secret_access_key = S", Some(Way::Keys)),
        ] {
            assert_eq!(profiles(&format!("[default]\n{lines}\n"), "").named("default").unwrap().way(), way, "{lines}");
        }
    }

    #[test]
    fn this_program_is_known_as_a_process() {
        for (command, ours) in [
            ("/usr/bin/credbroker credentials orders", true),
            ("\"/opt/credbroker\" --x credentials orders --format process", true),
            ("env A=b credbroker credentials orders", true),
            ("credbroker-not credentials orders", false),
            ("aws-vault export credbroker", false),
        ] {
            assert_eq!(Way::Process(command.into()).is_credbroker(), ours, "{command}");
        }
    }

    #[test]
    fn a_device_is_no_file_and_a_directory_no_fault_but_a_pipe_is_one() {
        let nothing = Environment::from([
            (CONFIG_FILE, "/dev/null"),
            (CREDENTIALS_FILE, "/nonexistent"),
            (BOTO_FILE, "/dev/null"),
        ]);
        let files = Profiles::read(&nothing, None);
        assert!(files.named("default").is_none() && files.boto.is_none());
        assert!(files.config.fault.is_none() && files.credentials.fault.is_none());

        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("config");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let files = Profiles::read(&Environment::from([(CONFIG_FILE, pipe.to_str().unwrap())]), Some(dir.path()));
        assert!(files.config.fault.unwrap().contains("is not a plain file"));
    }

    #[test]
    fn botocore_looks_at_one_more_variable() {
        let both = Environment::from([(DEFAULT_PROFILE, "old"), (PROFILE, "new")]);
        assert_eq!((chosen(&both, true), chosen(&both, false)), ("old", "new"));
        assert_eq!(chosen(&Environment::default(), true), "default");
    }
}
