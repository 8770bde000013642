//! Roles assumed with the broker's own identity, and with other roles'.

mod chains;
mod fields;
mod templates;

use serde_json::Value;

use crate::site::Site;

/// More roles than the world has: one that asks for an external id, and two for a chain of three.
const ROLES: &str = r#"
[iam.roles.guarded]
trust = [{ aws = "arn:aws:iam::111122223333:user/broker", external_id = "acme/77" }]
max_session_duration = 43200

[iam.roles.middle]
trust = [{ aws = "arn:aws:iam::111122223333:role/hub" }]
allow = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
max_session_duration = 43200

[iam.roles.last]
trust = [{ aws = "arn:aws:iam::111122223333:role/middle" }]
"#;

/// `credentials.NAME`, a role of the same or another name, with more keys.
fn role(name: &str, role: &str, more: &str) -> String {
    format!(
        "[credentials.{name}]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/{role}\"\n{more}\n"
    )
}

/// One parameter of each AssumeRole, in order; null where it was not sent.
fn each(site: &Site, parameter: &str) -> Vec<Value> {
    let asked = site.asked("AssumeRole").into_iter();
    asked.map(|asked| asked.parameters.get(parameter).cloned().unwrap_or_default()).collect()
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end().to_owned()
}
