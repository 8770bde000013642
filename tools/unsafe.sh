#!/usr/bin/env bash
# How much `unsafe` is in what is shipped, crate by crate: places in their sources where it stands before a block, a function, an
# implementation or a declaration, whether they are compiled for this machine or not. Ours forbids it (Cargo.toml).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shipped=$(cargo tree --locked --package credbroker --edges normal,build --prefix none --format '{p}' |
  sed -nE 's/^([^ ]+) v([^ ]+).*/\1@\2/p' | sort -u)
sources=$(cargo metadata --locked --format-version 1 | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    print(package["name"] + "@" + package["version"], package["manifest_path"].removesuffix("Cargo.toml"))' | sort)
counted=$(join <(printf '%s\n' "$shipped") <(printf '%s\n' "$sources") | while read -r crate at; do
  # A pattern that is found nowhere is no failure.
  places=$({ grep -rhoE '\bunsafe +(\{|fn|impl|trait|extern)' --include='*.rs' "$at" || true; } | wc -l)
  printf '%6s  %s\n' "$places" "$crate"
done | sort -rn)
printf '%s\n' "$counted"
printf '%s shipped crates, %s of them without unsafe\n' "$(wc -l <<<"$counted")" "$(grep -c '^ *0 ' <<<"$counted")"
