#!/usr/bin/env bash
# Fuzzes each target for so many seconds: SECONDS_EACH [TARGET...]. What is found, and the
# inputs that are worth keeping, go under target/fuzz; the committed seeds are only read.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.1
tools=$PWD/target/tools
if ! command -v cargo-fuzz >/dev/null && [ ! -x "$tools/bin/cargo-fuzz" ]; then
  echo "building cargo-fuzz $version" >&2
  cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" --debug \
    "cargo-fuzz@$version"
fi
PATH=$PATH:$tools/bin

seconds=$1
shift
[ $# -gt 0 ] || mapfile -t < <(cargo fuzz list)
targets=("$@" "${MAPFILE[@]}")
work=target/fuzz
for target in "${targets[@]}"; do
  mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
  # No sanitizer: our code has no unsafe blocks, and the stable compiler is enough.
  cargo fuzz run --sanitizer none --target-dir "$work/build" ${FUZZ_FLAGS-} "$target" \
    "$work/corpus/$target" "fuzz/corpus/$target" -- \
    -artifact_prefix="$PWD/$work/artifacts/$target/" -dict="fuzz/dictionaries/$target.txt" \
    -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1
done
