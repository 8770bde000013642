#!/usr/bin/env bash
# Builds and runs the fuzz targets: `fuzz.sh build`, `fuzz.sh smoke`, `fuzz.sh run TARGET SECONDS`, `fuzz.sh keep TARGET`.
# README.md beside this says what they are.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/fuzz
triple=$(rustc --version --verbose | sed -n 's/^host: //p')
finds=$target/finds

# Runs of one target in the smoke, after those of its corpus.
RUNS=2000
# A corpus has no more inputs, and is no larger in bytes.
MOST=150
LARGEST=65536

cargo_fuzz() {
    "$root/tools/cargo-tool.sh" cargo-fuzz 0.13.1 "$@"
}

build() {
    cargo_fuzz build --fuzz-dir "$here" --sanitizer none --target "$triple" --target-dir "$target" "$@"
}

targets() {
    sed -n 's/^name = "\([a-z_]*\)"$/\1/p' "$here/Cargo.toml"
}

dictionary() {
    case $1 in
        configuration) echo configuration ;;
        request_intake) echo requests ;;
        introspection_form | authorizer_event) echo bodies ;;
        jwt_verification) echo tokens ;;
        small_parsers) echo small ;;
        leases | socket_table_answer) ;;
        *) echo answers ;;
    esac
}

# fuzz TARGET FINDS OPTIONS…: what it finds new goes to the directory FINDS, the corpus is only read.
fuzz() {
    local name=$1 new=$2 words
    shift 2
    mkdir -p "$new" "$target/artifacts/$name"
    words=$(dictionary "$name")
    "$target/$triple/release/$name" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$target/artifacts/$name/" \
        ${words:+-dict="$here/dictionaries/$words.dict"} "$@" "$new" "$here/corpus/$name"
}

case ${1:-} in
    build)
        build
        ;;
    smoke)
        log=$(mktemp)
        for name in $(targets); do
            rm -rf "${finds:?}/smoke"
            if ! fuzz "$name" "$finds/smoke" -runs=$RUNS -max_total_time=60 -seed=1 -print_final_stats=1 >"$log" 2>&1; then
                tail -n 40 "$log" >&2
                echo "fuzz target $name failed: what it failed with is in $target/artifacts/$name" >&2
                exit 1
            fi
            printf '%-24s %s\n' "$name" "$(grep 'DONE' "$log" | tr -s '\t ' ' ')"
        done
        rm -rf "$log" "${finds:?}/smoke"
        ;;
    run)
        build "$2"
        fuzz "$2" "$finds/$2" -max_total_time="$3" -print_final_stats=1
        ;;
    keep)
        # To the corpus comes what reaches the most that it does not, as long as it stays small.
        all=$(mktemp -d)
        cp "$here/corpus/$2"/* "$all"
        "$target/$triple/release/$2" -set_cover_merge=1 -use_counters=0 -timeout=10 "$all" "$finds/$2"
        # They were written in that order.
        find "$all" -type f -printf '%T@ %s %p\n' | sort -n | while read -r _ size input; do
            [[ ! -e $here/corpus/$2/$(basename "$input") ]] || continue
            read -r count bytes < <(du -ab "$here/corpus/$2"/* | awk '{ all += $1 } END { print NR, all }')
            ((count < MOST && bytes + size < LARGEST)) && cp "$input" "$here/corpus/$2/" || break
        done
        rm -rf "$all"
        ;;
    *)
        sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
