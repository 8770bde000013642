#!/usr/bin/env bash
# Shows that what is shipped contains nothing of the emulator (and no OpenSSL).
#   release-check.sh DAEMON EMULATOR    two built binaries
# Two independent looks: at the dependency graph, and at the bytes of the binary. Each has a control that shows
# the look can see what it looks for; without it, a check of an empty file would pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
daemon=$1
emulator=$2

stop() { printf 'release check: %s\n' "$*" >&2; exit 1; }
for file in "$daemon" "$emulator"; do [ -s "$file" ] || stop "$file is missing or empty"; done

graph() { cargo tree --locked --package credbroker --prefix none --format '{p}' "$@" | cut -d' ' -f1 | sort -u; }
shipped=$(graph --edges normal,build)
everything=$(graph --edges normal,build,dev)
grep -qx credbroker-emulator <<<"$everything" ||
  stop "the dependency graph with tests does not name credbroker-emulator: this check no longer sees what it looks for"
grep -qx warp <<<"$shipped" || stop "the shipped dependency graph does not name warp: this check no longer sees it"
for crate in credbroker-emulator openssl openssl-sys native-tls; do
  if grep -qx "$crate" <<<"$shipped"; then stop "$crate is among the dependencies of the shipped binary"; fi
done

holds() { grep -aqF -- "$2" "$1"; }
holds "$daemon" CREDBROKER_LOG || stop "$daemon does not hold CREDBROKER_LOG: is it the daemon?"
for mark in _emulator credbroker-emulator 'emulator listening on'; do
  holds "$emulator" "$mark" || stop "'$mark' is not in the emulator itself: this check no longer sees what it looks for"
  if holds "$daemon" "$mark"; then stop "$daemon holds '$mark', a string of the emulator"; fi
done
printf '   %s shipped crates, none of them the emulator or OpenSSL; none of its strings in %s\n' \
  "$(wc -l <<<"$shipped")" "$daemon"
