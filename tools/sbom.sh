#!/usr/bin/env bash
# The parts list of the shipped binary, as CycloneDX has it in JSON, made by cargo-cyclonedx out of Cargo.lock.
#   sbom.sh FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$1

# Beside Cargo.toml is the only place it writes to, and it makes one for each package: the emulator's is not of what is shipped.
made() { printf '%s\n' credbroker.cdx.json tests/emulator/credbroker.cdx.json; }
tools/cargo-tool.sh cargo-cyclonedx 0.5.9 cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
  --target x86_64-unknown-linux-gnu --override-filename credbroker.cdx
mkdir -p "$(dirname "$out")"
mv credbroker.cdx.json "$out"
made | xargs rm -f
