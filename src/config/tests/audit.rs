//! `[audit]`: what is chosen, and what is refused in which words.

use super::*;
use crate::ops::audit::To;
use crate::secret::Secret;

fn with_audit(audit: &str) -> Config {
    good_with(&format!("[audit]\n{audit}\n"))
}

#[test]
fn it_goes_where_it_is_sent_and_to_standard_output_if_nothing_is_said() {
    for (text, to, shown) in [
        ("", To::Stdout, "stdout; fingerprints with a random key"),
        ("to = \"journald\"", To::Journald, "journald; "),
        ("to = \"off\"", To::Off, "off; "),
        (
            "to = { file = \"/var/log/x/audit.log\" }",
            To::File("/var/log/x/audit.log".into()),
            "file /var/log/x/audit.log; ",
        ),
    ] {
        let config = with_audit(text);
        assert_eq!((&config.audit.to, &config.audit.key), (&to, &None), "{text}");
        assert!(config.to_string().contains(shown), "{config}");
    }
    let keyed = with_audit("key = { credential = \"audit-key\" }");
    assert_eq!(keyed.audit.key, Some(Secret::Credential("audit-key".into())));
    assert!(keyed.to_string().contains("fingerprints with the key in the systemd credential audit-key"), "{keyed}");
}

#[test]
fn each_mistake_has_its_words() {
    for (text, part) in [
        ("to = \"stderr\"", "audit.to: found \"stderr\", expected one of `stdout`, `journald`, `off`"),
        ("to = 1", "audit.to: expected"),
        ("to = { file = \"audit.log\" }", "audit.to.file: expected the absolute path of a file"),
        ("key = \"hunter2hunter2hunter2hunter2hunter2\"", "a secret never stands in the configuration"),
        ("key = { file = \"/a\", env = \"B\" }", "exactly one of `file`, `env`, `credential` is given, found 2"),
        (
            "to = { file = \"/run/out/f\" }\n[files.f]\npath = \"/run/out/f\"\ntoken = \"tokens.billing\"",
            "audit.to is there, and would be replaced",
        ),
    ] {
        let found = problem_of(&format!("[audit]\n{text}\n"));
        assert!(found.contains(part), "{found}\nexpected … {part}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}
