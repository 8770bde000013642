#!/usr/bin/env bash
# Has a cargo subcommand of one version beside the sources, in .tools, and runs it. Nothing else of the machine is touched.
#   cargo-tool.sh NAME VERSION [ARGUMENT…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$1 version=$2
shift 2

at=$PWD/.tools/$name-$version
if [ ! -x "$at/bin/$name" ]; then
  printf '   installing %s %s into %s (once; some minutes)\n' "$name" "$version" "${at#"$PWD"/}"
  # Not among our own build results: it would want other features of the same crates.
  env -u CARGO_TARGET_DIR cargo install --quiet --locked --no-default-features --version "=$version" --root "$at" "$name" || {
    printf '%s could not be installed; the lines above say why (is the crate registry reachable?)\n' "$name" >&2
    exit 1
  }
fi
exec "$at/bin/$name" "$@"
