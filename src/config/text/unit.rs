//! Names of systemd units.

use super::Text;
use crate::config::problem::nearest;
use crate::policy::unit::{self, Mistake, OF_CALLERS};

/// The name of a unit with processes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(pub String);

impl Text for UnitName {
    const FORMAT: &'static str = "systemd-unit";
    const EXPECTED: &'static str =
        "a systemd service or scope as systemctl lists it, such as \"orders.service\" or \"orders@eu.service\"";

    fn read(text: &str) -> Result<Self, String> {
        unit::check(text).map(|()| Self(text.to_owned())).map_err(|mistake| match meant(text, mistake) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => mistake.to_string(),
        })
    }
}

/// The nearest name that is one: the last part of a path, and with the kind of a unit at its end.
fn meant(text: &str, mistake: Mistake) -> Option<String> {
    let name = text.rsplit_once('/').map_or(text, |(_, last)| last);
    let kind = name.rsplit_once('.').and_then(|(before, kind)| Some((before, nearest(kind, OF_CALLERS)?)));
    let near = match (mistake, kind) {
        (Mistake::Template | Mistake::Processes, _) => return None,
        (_, Some((before, kind))) => format!("{before}.{kind}"),
        (_, None) => format!("{name}.service"),
    };
    unit::check(&near).ok().map(|()| near)
}
