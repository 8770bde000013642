//! `[files.*]`.

use std::collections::BTreeMap;

use crate::config::document::{FileFormat, FileTable, Group as Named};
use crate::config::rules::name_of;
use crate::config::text::{FileMode, Read};
use crate::config::{Credentials, Token};
use crate::files::{Config, CredentialsFormat, Of, TokenFormat};
use crate::place::Group;
use crate::refresh::schedule::Keep;

pub fn file(table: FileTable) -> Option<Config> {
    let of = match (table.token, table.credentials) {
        (Some(token), None) => Of::Token(name_of(&token)?.to_owned(), token_format(table.format)?),
        (None, Some(credentials)) => {
            Of::Credentials(name_of(&credentials)?.to_owned(), credentials_format(table.format)?)
        }
        _ => return None,
    };
    let (mode, group) = readers(table.mode, table.group);
    Some(Config { of, path: table.path.0.0, mode, group })
}

/// The permission bits and the group of a file that is written.
pub fn readers(mode: Option<Read<FileMode>>, group: Option<Named>) -> (u32, Option<Group>) {
    let group = group.map(|group| match group {
        Named::Id(id) => Group::Id(id),
        Named::Name(name) => Group::Name(name),
    });
    (mode.map_or(if group.is_some() { 0o440 } else { 0o400 }, |mode| mode.0.0), group)
}

fn token_format(format: Option<FileFormat>) -> Option<TokenFormat> {
    match format {
        None | Some(FileFormat::Raw) => Some(TokenFormat::Raw),
        Some(FileFormat::Json) => Some(TokenFormat::Json),
        Some(FileFormat::AwsProfile | FileFormat::Env) => None,
    }
}

fn credentials_format(format: Option<FileFormat>) -> Option<CredentialsFormat> {
    match format {
        None | Some(FileFormat::AwsProfile) => Some(CredentialsFormat::AwsProfile),
        Some(FileFormat::Json) => Some(CredentialsFormat::Json),
        Some(FileFormat::Env) => Some(CredentialsFormat::Env),
        Some(FileFormat::Raw) => None,
    }
}

/// A file never says that it asks, so what is in one is kept always.
pub fn keep_always<'a>(
    files: impl Iterator<Item = &'a Config>,
    tokens: &mut BTreeMap<String, Token>,
    credentials: &mut BTreeMap<String, Credentials>,
) {
    for file in files {
        let freshness = match &file.of {
            Of::Token(name, _) => tokens.get_mut(name).map(|token| &mut token.freshness),
            Of::Credentials(name, _) => credentials.get_mut(name).map(|entry| &mut entry.freshness),
        };
        if let Some(freshness) = freshness {
            freshness.keep = Keep::Always;
        }
    }
}
