//! What is found about everything but the SDKs' choice: the daemon, the caller's token, the variables, the clock.

use super::finding::{Finding, Level};
use super::scene::{Daemon, Scene, TokenFile};
use crate::cli::sdk::variables::{FULL_URI, KEYS, RELATIVE_URI, ROLE_ARN, TOKEN, TOKEN_FILE, WEB_IDENTITY_FILE};
use crate::http::status::outline::{self, plain};

use Level::{Trouble, Warning};

/// Beyond this many seconds AWS refuses signatures.
const REFUSED: u64 = 300;
/// So many seconds no synchronised clock is off.
const NOTICEABLE: u64 = 30;

/// What the daemon says.
pub fn daemon(scene: &Scene) -> Vec<Finding> {
    let answers = || Finding::well("daemon", format!("the daemon answers at {}", scene.place));
    match &scene.daemon {
        Daemon::NotAsked => Vec::new(),
        Daemon::Unanswered(why) => {
            let remedy = "start it (credbroker run), or say where it is by --url or CREDBROKER_URL";
            vec![Finding::at(Trouble, "daemon", why, remedy)]
        }
        Daemon::Refuses(401, why) => {
            let remedy = "name the caller's token by CREDBROKER_TOKEN_FILE or CREDBROKER_TOKEN, and compare it with the one in [callers]";
            vec![answers(), Finding::at(Trouble, "daemon", why, remedy)]
        }
        Daemon::Refuses(status, why) => {
            vec![Finding::at(Trouble, "daemon", format!("status {status}: {why}"), "see the daemon's log")]
        }
        Daemon::Answers(status) => {
            let text = |key: &str| status[key].as_str().unwrap_or("-").to_owned();
            let known = format!("it knows this caller (credbroker {}, {})", text("version"), text("state"));
            let mut found = vec![answers(), Finding::well("daemon", known)];
            found.extend(entries(status));
            found
        }
    }
}

/// What the daemon cannot get or write at the moment.
fn entries(status: &serde_json::Value) -> Vec<Finding> {
    let rows = outline::sections(status).into_iter().flat_map(|section| section.rows);
    rows.filter_map(|row| {
        let what = plain(&format!("{} is {}: {}", row.name(), row.state(), row.trouble()?.message));
        Some(Finding { about: "entries", level: Warning, what, remedy: None })
    })
    .collect()
}

/// The files that hold the caller's token.
pub fn token_files(scene: &Scene) -> Vec<Finding> {
    scene.token_files.iter().map(token_file).collect()
}

fn token_file(file: &TokenFile) -> Finding {
    let TokenFile { variable, path, look } = file;
    let about = "token-file";
    let named = format!("{variable}: {}", path.display());
    match look {
        Err(why) => Finding::at(
            Trouble,
            about,
            format!("{named} {why}"),
            "give the file to this user or its group: owner, group, mode 0440",
        ),
        Ok(look) if look.is_empty => {
            Finding::at(Trouble, about, format!("{named} is empty"), "write the caller's token into it")
        }
        Ok(look) if look.has_control => {
            let remedy = format!("write it without: printf %s TOKEN > {0}, or tr -d '\\n' < {0}", path.display());
            // The daemon and its own commands drop the line break, SDKs do not.
            let level = if *variable == TOKEN_FILE { Trouble } else { Warning };
            Finding::at(level, about, format!("{named} holds a line break, which AWS SDKs refuse to send"), remedy)
        }
        Ok(look) if look.mode & 0o004 != 0 => {
            let what = format!("{named} can be read by every user of the machine (mode {:04o})", look.mode);
            Finding::at(Warning, about, what, format!("chmod o-rwx {}", path.display()))
        }
        Ok(_) => Finding::well(about, format!("{named} can be read, and holds no line break")),
    }
}

/// What an SDK is answered.
pub fn credentials(scene: &Scene) -> Vec<Finding> {
    let about = "credentials";
    let found = match &scene.sdk {
        None => return Vec::new(),
        Some(Ok((200, _))) => Finding::well(about, format!("an SDK that asks by {FULL_URI} gets credentials")),
        Some(Ok((401, why))) => {
            let remedy = format!("set {TOKEN_FILE} to the file of the caller's token");
            Finding::at(Trouble, about, format!("an SDK that asks by {FULL_URI} gets status 401: {why}"), remedy)
        }
        Some(Ok((status, why))) => {
            let remedy = "credbroker status says what the daemon holds; its log says what it tries";
            Finding::at(Trouble, about, format!("an SDK that asks by {FULL_URI} gets status {status}: {why}"), remedy)
        }
        Some(Err(why)) => {
            let remedy = "mend what is said above of the daemon and the token's file";
            Finding::at(Trouble, about, format!("an SDK that asks by {FULL_URI} gets nothing: {why}"), remedy)
        }
    };
    vec![found]
}

/// Variables that do not mean what they seem to.
pub fn variables(scene: &Scene) -> Vec<Finding> {
    let environment = &scene.environment;
    let about = "variables";
    let mut found = Vec::new();
    for name in [RELATIVE_URI, FULL_URI, TOKEN_FILE] {
        if environment.is_set(name) && environment.var(name).is_none() {
            let what =
                format!("{name} is set to nothing, which boto3, the AWS CLI and the SDK for Rust take for a value");
            found.push(Finding::at(Trouble, about, what, format!("unset it: env -u {name} CMD, or credbroker exec")));
        }
    }
    let pairs = KEYS.iter().take(1).chain([&(WEB_IDENTITY_FILE, ROLE_ARN)]);
    for (one, other) in pairs {
        if environment.var(one).is_some() && environment.var(other).is_none() {
            let what = format!("{one} is set without {other}: some SDKs pass it over, others fail");
            found.push(Finding::at(Warning, about, what, "set both or none"));
        }
    }
    if environment.var(TOKEN_FILE).is_some() && environment.var(TOKEN).is_some() {
        found.push(Finding::note(about, format!("{TOKEN_FILE} goes before {TOKEN}, which is set too")));
    }
    for file in [&scene.profiles.config, &scene.profiles.credentials] {
        if let Some(fault) = &file.fault {
            found.push(Finding::at(
                Warning,
                about,
                fault,
                "make it a plain file that this user can read: some SDKs fail otherwise, or wait for ever",
            ));
        }
    }
    if scene.is_told_of_the_daemon() && is_proxied(scene) {
        let what = "a proxy is set for http and not taken off for 127.0.0.1: some programs send the request for credentials there";
        found.push(Finding::at(
            Warning,
            about,
            what,
            "add 127.0.0.1,localhost,::1 to NO_PROXY, or use credbroker exec",
        ));
    }
    found
}

fn is_proxied(scene: &Scene) -> bool {
    let var = |names: [&str; 2]| names.into_iter().find_map(|name| scene.environment.var(name));
    let proxy = var(["http_proxy", "HTTP_PROXY"]).or_else(|| var(["all_proxy", "ALL_PROXY"]));
    let off = var(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let is_off =
        off.split(',').map(str::trim).any(|item| item == "*" || item.starts_with("127.") || item == "localhost");
    proxy.is_some() && !is_off
}

/// This machine's clock.
pub fn clock(scene: &Scene) -> Vec<Finding> {
    let about = "clock";
    let found = match &scene.clock {
        None => return Vec::new(),
        Some(Err(why)) => Finding::note(about, format!("whether the clock is right is not known from here: {why}")),
        Some(Ok((who, ahead))) => {
            let off = ahead.unsigned_abs();
            let way = if *ahead < 0 { "behind" } else { "ahead of" };
            let what = format!("this machine's clock is {off} s {way} that of {who}");
            let remedy = "mend its synchronisation (NTP): AWS refuses signatures that are five minutes off";
            match off {
                REFUSED.. => Finding::at(Trouble, about, what, remedy),
                NOTICEABLE.. => Finding::at(Warning, about, what, remedy),
                _ => Finding::well(about, format!("this machine's clock agrees with that of {who}")),
            }
        }
    };
    vec![found]
}
