//! `credbroker doctor`: which credentials each AWS SDK would pick in this environment, and why; and whether the daemon can be asked,
//! the caller's token be read, and the clock be trusted. Exit code 0 if nothing fails, 1 if something does.
//!
//! First everything is looked at ([`scene`]), then it is judged by pure functions ([`chain`], [`checks`]), then told ([`report`]).
//! Secrets are looked at only for what makes them unusable, and never kept. Besides the daemon, STS is asked one thing without
//! credentials: what time it is.

mod address;
mod chain;
mod checks;
mod finding;
mod report;
mod scene;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;

use clap::Args;

use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;
use chain::{FAMILIES, OWN, Pick, Whose};
use finding::{Finding, Level};
use scene::Scene;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// This is the environment of the daemon itself: does it get its own identity elsewhere than from itself?
    #[arg(long)]
    daemon: bool,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let Some(scene) = on_runtime(Scene::gather(&arguments.place, outside)) else { return Exit::Failed };
    let diagnosis = if arguments.daemon { of_the_daemon(&scene) } else { of_a_caller(&scene) };
    let said = if arguments.json {
        output::say(&report::json(&diagnosis).to_string())
    } else {
        let colours = std::io::stdout().is_terminal() && outside.environment.var("NO_COLOR").is_none();
        output::say_bare(&report::text(&diagnosis, colours))
    };
    if diagnosis.is_well() { said } else { Exit::Failed }
}

/// Everything that was found.
#[derive(Debug)]
pub struct Diagnosis {
    findings: Vec<Finding>,
    sdks: Vec<Sdk>,
}

/// What one family of SDKs would pick, and how that is.
#[derive(Debug)]
pub struct Sdk {
    name: &'static str,
    level: Level,
    pick: Pick,
}

impl Diagnosis {
    fn is_well(&self) -> bool {
        let all = self.findings.iter().map(|finding| finding.level).chain(self.sdks.iter().map(|sdk| sdk.level));
        all.max() != Some(Level::Trouble)
    }
}

/// In the environment of a program that asks the daemon.
fn of_a_caller(scene: &Scene) -> Diagnosis {
    let picks: Vec<_> = FAMILIES.iter().map(|family| (family.name, family.pick(scene))).collect();
    let wanted = scene.is_told_of_the_daemon() || picks.iter().any(|(_, pick)| pick.from == Whose::Daemon);
    let level = |pick: &Pick| match pick.from {
        Whose::Daemon => Level::Well,
        Whose::Elsewhere | Whose::Nowhere if wanted => Level::Trouble,
        Whose::Elsewhere | Whose::Nowhere => Level::Note,
    };
    let sdks: Vec<_> = picks.into_iter().map(|(name, pick)| Sdk { name, level: level(&pick), pick }).collect();
    let mut findings = [checks::daemon, checks::token_files, checks::credentials, checks::variables, checks::clock]
        .map(|check| check(scene))
        .concat();
    findings.extend(about_the_sdks(wanted, &sdks));
    Diagnosis { findings, sdks }
}

/// What to do so that every SDK picks the daemon.
fn about_the_sdks(wanted: bool, sdks: &[Sdk]) -> Option<Finding> {
    let exec = "start it by credbroker exec --credentials NAME -- CMD, which takes away what is in the way";
    if !wanted {
        let what = format!("no AWS SDK is told of the daemon here; a program that is to have its credentials: {exec}");
        return Some(Finding::note("variables", what));
    }
    let astray = sdks.iter().filter(|sdk| sdk.level == Level::Trouble).count();
    (astray > 0).then(|| {
        let what = format!("{astray} of {} SDKs would not ask the daemon here, see below", sdks.len());
        Finding::at(Level::Trouble, "variables", what, format!("unset what is named there, or {exec}"))
    })
}

/// In the environment of the daemon itself, which finds its own identity as the SDK does that it is built with.
fn of_the_daemon(scene: &Scene) -> Diagnosis {
    let picks = FAMILIES.iter().filter(|family| family.name == OWN).map(|family| family.pick(scene));
    let sdks: Vec<_> = picks
        .map(|pick| {
            let level = if pick.from == Whose::Elsewhere { Level::Well } else { Level::Trouble };
            Sdk { name: "credbroker run", level, pick }
        })
        .collect();
    let mut findings = [checks::variables(scene), checks::clock(scene)].concat();
    findings.extend(sdks.iter().map(|sdk| itself(&sdk.pick)));
    Diagnosis { findings, sdks }
}

fn itself(pick: &Pick) -> Finding {
    match pick.from {
        Whose::Elsewhere => {
            Finding::well("itself", format!("the daemon does not ask itself: its own identity is {}", pick.takes))
        }
        Whose::Daemon => Finding::at(
            Level::Trouble,
            "itself",
            format!("the daemon would ask itself for its own identity: {}", pick.because),
            "take that away from the daemon's environment, and give it an identity of its own: a role of the machine or task, or a key",
        ),
        Whose::Nowhere => Finding::at(
            Level::Trouble,
            "itself",
            format!("the daemon would find no identity of its own: {}", pick.because),
            "give it a role of the machine or task, a profile, or a key; what needs none works without",
        ),
    }
}
