#!/usr/bin/env bash
# The parts list of the shipped binary, as CycloneDX has it in JSON, made by cargo-cyclonedx out of Cargo.lock, and compared with what
# cargo says goes into it.
#   sbom.sh FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$1
target=x86_64-unknown-linux-gnu

# Beside each Cargo.toml of the workspace is the only place it writes to; the emulator's is not of what is shipped.
trap 'rm -f credbroker.cdx.json tests/emulator/credbroker.cdx.json' EXIT
tools/cargo-tool.sh cargo-cyclonedx 0.5.9 cyclonedx --quiet --format json --spec-version 1.5 --target "$target" \
  --override-filename credbroker.cdx

listed=$(python3 -c '
import json, sys
for part in json.load(open("credbroker.cdx.json"))["components"]:
    print(part["name"], part["version"])' | LC_ALL=C sort -u)
built=$(cargo tree --locked --package credbroker --edges normal,build --target "$target" --prefix none --format '{p}' |
  sed -nE 's/^([^ ]+) v([^ ]+).*/\1 \2/p' | grep -v '^credbroker ' | LC_ALL=C sort -u)
# It may list a little more: cargo's metadata have the features that tests want, too.
missing=$(LC_ALL=C comm -13 <(printf '%s\n' "$listed") <(printf '%s\n' "$built"))
[ -z "$missing" ] || { printf 'sbom: what cargo builds and the parts list does not have:\n%s\n' "$missing" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
cp credbroker.cdx.json "$out"
printf '   %s parts in %s, among them all %s crates that cargo builds into it\n' "$(wc -l <<<"$listed")" "$out" "$(wc -l <<<"$built")"
