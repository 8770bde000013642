#!/usr/bin/env bash
# What may be among the dependencies, where they come from, and what is known against them, by deny.toml and cargo-deny.
# Licences, bans and sources need no network. The database of advisories is fetched where it can be, or taken as it was fetched
# last (by this or another run of cargo-deny, in $CARGO_HOME), and where there is none that is said: it is no failure.
#   CREDBROKER_ADVISORIES=required    makes it one, for where a release is made
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=0.20.2
# A network that swallows what is sent to it must not hold up the rest.
patience=20

deny() { tools/cargo-tool.sh cargo-deny "$version" --log-level error --all-features "$@"; }

deny --offline check --hide-inclusion-graph bans licenses sources
database() { compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*/.git" >/dev/null; }

if timeout "$patience" tools/cargo-tool.sh cargo-deny "$version" --log-level off fetch db >/dev/null 2>&1; then
  printf '   advisories: the database is up to date\n'
elif database; then
  printf '   advisories: the database could not be fetched within %s s; taken as it was fetched last\n' "$patience"
elif [ "${CREDBROKER_ADVISORIES:-}" = required ]; then
  printf 'deny: there is no database of advisories and it could not be fetched within %s s\n' "$patience" >&2
  exit 1
else
  printf '   advisories: NOT CHECKED: there is no database and it could not be fetched within %s s\n' "$patience"
  exit 0
fi
deny --offline check --hide-inclusion-graph --disable-fetch advisories
