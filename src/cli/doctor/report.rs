//! How a diagnosis is told: a list for people, JSON for machines.

use serde_json::{Value, json};

use super::Diagnosis;
use super::chain::Whose;
use super::finding::Level;
use crate::http::status::outline::plain;

/// No column before the last is made wider than this for the sake of one long name.
const WIDEST: usize = 60;

/// For people. Words say what colours say.
pub fn text(diagnosis: &Diagnosis, colours: bool) -> String {
    let mut out = String::new();
    for finding in &diagnosis.findings {
        out += &format!("{}  {}\n", word(finding.level, colours), plain(&finding.what));
        if let Some(remedy) = &finding.remedy {
            out += &format!("      do: {}\n", plain(remedy));
        }
    }
    if diagnosis.sdks.is_empty() {
        return out;
    }
    let width = |column: fn(&super::Sdk) -> &str| {
        diagnosis.sdks.iter().map(|sdk| column(sdk).len()).max().unwrap_or(0).min(WIDEST)
    };
    let (names, takes) = (width(|sdk| sdk.name).max(3), width(|sdk| &sdk.pick.takes).max(5));
    out += &format!("\n      {:<names$}  {:<takes$}  WHY\n", "SDK", "TAKES");
    for sdk in &diagnosis.sdks {
        let level = word(sdk.level, colours);
        let (taken, because) = (plain(&sdk.pick.takes), plain(&sdk.pick.because));
        out += &format!("{level}  {:<names$}  {taken:<takes$}  {because}\n", sdk.name);
    }
    out
}

fn word(level: Level, colours: bool) -> String {
    let padded = format!("{:<4}", level.as_str());
    let colour = match level {
        Level::Well => 32,
        Level::Note => 0,
        Level::Warning => 33,
        Level::Trouble => 31,
    };
    if colours { format!("\u{1b}[{colour}m{padded}\u{1b}[0m") } else { padded }
}

/// For machines.
pub fn json(diagnosis: &Diagnosis) -> Value {
    let findings = diagnosis.findings.iter().map(|finding| {
        json!({ "about": finding.about, "level": finding.level.as_str(), "what": finding.what, "remedy": finding.remedy })
    });
    let sdks = diagnosis.sdks.iter().map(|sdk| {
        json!({
            "sdk": sdk.name,
            "level": sdk.level.as_str(),
            "takes": sdk.pick.takes,
            "because": sdk.pick.because,
            "daemon": sdk.pick.from == Whose::Daemon,
        })
    });
    json!({ "well": diagnosis.is_well(), "findings": findings.collect::<Vec<_>>(), "sdks": sdks.collect::<Vec<_>>() })
}
