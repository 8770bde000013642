//! Paths of files that the broker writes, and their permission bits.

use std::path::PathBuf;

use super::Text;
use crate::place::LONGEST_NAME;

/// The permission bits of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Text for FileMode {
    const FORMAT: &'static str = "file-mode";
    const EXPECTED: &'static str = "permission bits in octal, such as \"0440\"";

    fn read(text: &str) -> Result<Self, String> {
        let bits = u32::from_str_radix(text, 8).map_err(|_| String::new())?;
        if !(3..=4).contains(&text.len()) || bits > 0o777 {
            return Err(String::new());
        }
        if bits & 0o007 != 0 {
            return Err("not open to others".to_owned());
        }
        if bits & !0o640 != 0 || bits & 0o400 == 0 {
            return Err("a secret is read by its owner and its group, and written by its owner at most".to_owned());
        }
        Ok(Self(bits))
    }
}

/// The absolute path of a file, spelled in the one way it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl Text for FilePath {
    const FORMAT: &'static str = "file-path";
    const EXPECTED: &'static str = "the absolute path of a file, such as \"/run/credbroker/out/partner.jwt\"";

    fn read(text: &str) -> Result<Self, String> {
        let mut names = text.strip_prefix('/').ok_or_else(String::new)?.split('/');
        if text.chars().any(char::is_control) {
            return Err("without control characters".to_owned());
        }
        if names.clone().any(|name| matches!(name, "" | "." | "..")) {
            return Err("ending in a name, without `.`, `..` and `//`".to_owned());
        }
        if names.next_back().is_some_and(|name| name.len() > LONGEST_NAME) {
            return Err(format!("with a name of at most {LONGEST_NAME} bytes"));
        }
        Ok(Self(PathBuf::from(text)))
    }
}
